"""The end of a day's traffic: the bots fall silent, what is under way arrives, and then the ledger is made up."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from tidegate.gameday.crowd import Crowd
from tidegate.gameday.origin_control import OriginControl
from tidegate.gameday.records import BotRecord, Ledger, join

AGAIN_SECONDS = 0.1


async def settle(
    crowd: Crowd, origin: OriginControl, others: Sequence[BotRecord], seconds: float
) -> tuple[Ledger, bool]:
    """Return the ledger, and whether everything arrived in time.

    ``others`` are records of sessions that are no bot's. Raises what `OriginControl` does.
    """
    deadline = monotonic() + seconds
    was_answered = await crowd.be_silent(seconds)
    while True:
        ledger = join([*crowd.records(), *others], await origin.records())
        is_whole = not (ledger.serverbound.lost or ledger.clientbound.lost)
        if is_whole or monotonic() > deadline:
            return ledger, was_answered and is_whole
        await asyncio.sleep(AGAIN_SECONDS)  # what the origin sent by itself may still be on its way
