"""Who plays, as an edge tells its core: what the rules have seen of each session's player, when it is news.

A core without features looks into no packet, and has this from the edges. It is looked at now and then, never per
packet: sessions that have not got into the game at each look, the others in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.session import Session

MAX_NAME_BYTES = 256

LOOKS = 500
"""Sessions of each kind that are looked at in one go: about a millisecond."""


class PlayerWord:
    """One tunnel's."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[bytes | bool | None, ...]] = {}  # by slot: what the last message was made of
        self._turns: deque[int] = deque()  # slots, those whose turn it is first
        self._last_slot = 0
        self._fresh: dict[int, None] = {}  # slots of those who are not in the game yet

    def news(self, sessions: dict[int, Session]) -> Iterator[tunnel_pb2.Player]:
        """Yield what the core does not know yet of the sessions of a tunnel, as far as there is time for it."""
        self._take_in(sessions)
        turns = {self._turns.popleft(): None for _ in range(min(LOOKS, len(self._turns)))}
        fresh = list(self._fresh)[:LOOKS]
        for slot in dict.fromkeys((*fresh, *turns)):
            session = sessions.get(slot)
            if session is None or session.reason or session.guard is None:
                self._told.pop(slot, None)
                self._fresh.pop(slot, None)
                continue
            identity = session.identity
            if slot in self._fresh:  # to the end of the line: others are fresh, too
                del self._fresh[slot]
                if not session.is_logged_in or "character" not in identity:
                    self._fresh[slot] = None
            if slot in turns:
                self._turns.append(slot)
            if not identity:  # it has said nothing: thousands may
                continue
            known = (identity.get("account"), identity.get("hardware"), identity.get("character"))
            said = (*known, session.is_logged_in, session.is_opaque)
            if self._told.get(slot) != said:
                self._told[slot] = said
                yield _player(slot, session)

    def _take_in(self, sessions: dict[int, Session]) -> None:
        """Note the slots that are new; they only grow, and the newest are the last of the sessions."""
        new = []
        for slot in reversed(sessions):
            if slot <= self._last_slot:
                break
            new.append(slot)
        for slot in reversed(new):
            self._fresh[slot] = None
            self._turns.append(slot)
            self._last_slot = max(self._last_slot, slot)


def _player(slot: int, session: Session) -> tunnel_pb2.Player:
    identity = session.identity
    return tunnel_pb2.Player(
        slot=slot,
        account=identity.get("account", b"")[:MAX_NAME_BYTES],
        hardware=identity.get("hardware", b"")[:MAX_NAME_BYTES],
        character=identity.get("character", b"")[:MAX_NAME_BYTES],
        is_logged_in=session.is_logged_in,
        is_opaque=session.is_opaque,
    )
