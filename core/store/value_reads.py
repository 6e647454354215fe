"""Reads values from Redis into what this process knows: when they are asked for, and what could not be read then."""

import itertools

from core.store.knowledge import Knowledge
from core.store.protocol import MAX_VALUE_BYTES
from core.store.redis_link import RedisLink
from core.store.scripts import GET
from core.store.writer import deadline_in

KEYS_AT_ONCE = 100
"""Values asked for in one command: at most 6.4 MB in one answer."""


async def fetch_values(link: RedisLink, known: Knowledge, keys: list[str], *, is_mending: bool = False) -> None:
    """Learn some values, KEYS_AT_ONCE at most; raises StoreAwayError. What was put or deleted meanwhile stays."""
    stamp = known.values.stamp
    names = tuple(known.names.value(key) for key in keys)
    (answers,) = await link.run([GET.call(names, MAX_VALUE_BYTES)], is_mending=is_mending)
    for key, name, answer in zip(keys, names, answers, strict=True):
        if answer[0] == 2:
            known.note_foreign(name, f"WRONGTYPE {answer[1].decode('ascii', 'replace')}")
            continue
        known.note_right(name)
        if known.values.is_newer(key, stamp):
            continue
        if answer[0] == 0:
            known.values.forget(key)
            known.note_read(key, None)
        else:
            known.values.put(key, answer[1], deadline_in(int(answer[2])))
            known.note_read(key, answer[1])


async def fetch_unread(link: RedisLink, known: Knowledge) -> None:
    """Learn what could not be read while Redis was away, and has not been written since; raises StoreAwayError."""
    waiting = iter([key for key in known.unread if not known.unread[key] and not known.values.has(key)])
    while keys := list(itertools.islice(waiting, KEYS_AT_ONCE)):
        await fetch_values(link, known, keys, is_mending=True)
