"""Half an hour with a fault a minute while bots come and go: does a relay keep anything it should give back?"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from tidegate.gameday.conditions import CLEAR, Conditions, CutKind, Way
from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.musts import Must, at_most, none
from tidegate.gameday.network import Layout
from tidegate.gameday.process_figures import read_figures
from tidegate.gameday.samples import Samples

SAMPLE_SECONDS = 10.0
MINUTE_SECONDS = 60.0
WARM_UP_SHARE = 0.25
"""Of the samples, how many at the beginning are not looked at: caches and pools fill."""

LEAVING_SHARE = 0.05
LEAVE_SECONDS = 30.0
RECOVERY_SECONDS = 20.0

MOST_GROWTH_SHARE = 0.05
SMALL_GROWTH_BYTES = 4 * 1024 * 1024
"""Growth below this is what allocators do."""

MOST_FILES_GAINED = 5.0

MEMORY = "own_bytes"
FILES = "other_files"
"""Open files beside one for each session."""
SESSIONS = "sessions"


@dataclass(slots=True, kw_only=True)
class Soak:
    """A fault every ``minute_seconds``, of those that a session must survive, in turn."""

    minutes: float = 30.0
    minute_seconds: float = MINUTE_SECONDS
    sample_seconds: float = SAMPLE_SECONDS
    name: str = "soak"
    samples: dict[str, Samples] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"{self.minutes:g} minutes with a fault a minute, one bot in twenty leaves and joins"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(sessions=options.bots, seed=options.seed)

    async def run(self, day: GameDay) -> None:
        """Sample all the time; break something each minute."""
        sampling = asyncio.create_task(self._sample(day), name="gameday: samples")
        try:
            for minute in range(max(1, round(self.minutes))):
                began = monotonic()
                await _change_bots(day)
                what, break_it = _BREAKS[minute % len(_BREAKS)]
                day.say(f"minute {minute + 1} of {self.minutes:g}: {what}")
                day.begin_window()
                broken = monotonic()
                await break_it(day, self.minute_seconds / 6)
                await day.heal()
                lasted = monotonic() - broken
                await day.until_recovered(RECOVERY_SECONDS)
                day.end_window(what, lasted)
                await asyncio.sleep(max(0.0, began + self.minute_seconds - monotonic()))
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: nobody is lost, and no relay grows."""
        musts = [none("sessions ended", outcome.sessions_ended), *outcome.ledger_musts()]
        for name, samples in self.samples.items():
            since = samples.rows[int(len(samples.rows) * WARM_UP_SHARE)].seconds
            memory, files = samples.growth(MEMORY, since), samples.growth(FILES, since)
            sessions = samples.growth(SESSIONS, since)
            day.figures[f"{name} grew"] = (
                f"{memory.gained / 1024:+.0f} KiB from {memory.start / 1024:.0f} KiB, {sessions.gained:+.1f} sessions, "
                f"{files.gained:+.1f} open files beside those"
            )
            bound = max(SMALL_GROWTH_BYTES, memory.start * MOST_GROWTH_SHARE)
            musts.append(at_most(f"growth of {name}", memory.gained / 1024, math.ceil(bound / 1024), "KiB"))
            musts.append(at_most(f"open files beside sessions gained by {name}", files.gained, MOST_FILES_GAINED, ""))
        relays = day.network.relays
        return [*musts, *(none(f"sessions left at {relay.name} at the end", relay.log.sessions) for relay in relays)]

    async def _sample(self, day: GameDay) -> None:
        began = monotonic()
        while True:
            for relay in day.network.relays:
                figures = await asyncio.to_thread(read_figures, relay.pid)
                values = {
                    MEMORY: float(figures.own_bytes),
                    FILES: float(figures.open_files - relay.log.sessions),
                    SESSIONS: float(relay.log.sessions),
                }
                self.samples.setdefault(relay.name, Samples()).add(monotonic() - began, values)
            await asyncio.sleep(self.sample_seconds)


async def _change_bots(day: GameDay) -> None:
    crowd = day.crowd
    count = max(1, int(len(crowd.bots) * LEAVING_SHARE))
    await crowd.remove(day.random.sample(list(crowd.bots), count), LEAVE_SECONDS)
    for _ in range(count):
        crowd.add_bot()
    await day.until_recovered(RECOVERY_SECONDS)


async def _cut_clean(day: GameDay, longest_seconds: float) -> None:
    await day.cut(CutKind.CLEAN, day.random.uniform(0, longest_seconds))


async def _cut_half_open(day: GameDay, longest_seconds: float) -> None:
    await day.cut(CutKind.HALF_OPEN, day.random.uniform(0, longest_seconds))


async def _one_way(day: GameDay, longest_seconds: float) -> None:
    way = day.random.choice(list(Way))
    for proxy in day.network.proxies:
        proxy.set_conditions(Conditions(is_dead=True), [way])
    await asyncio.sleep(day.random.uniform(0, longest_seconds))


async def _far(day: GameDay, longest_seconds: float) -> None:
    day.set_conditions(Conditions(delay_seconds=0.1, jitter_seconds=0.05))
    await asyncio.sleep(longest_seconds)
    day.set_conditions(CLEAR)


async def _slow_bots(day: GameDay, longest_seconds: float) -> None:
    sessions = [bot.session for bot in list(day.crowd.bots)[::10] if bot.session is not None]
    for session in sessions:
        session.stop_reading()
    await day.network.origin.flood(session.number for session in sessions)
    await asyncio.sleep(longest_seconds)
    await day.network.origin.calm()
    for session in sessions:
        session.read_on()


_BREAKS: tuple[tuple[str, Callable[[GameDay, float], Awaitable[None]]], ...] = (
    ("cut clean", _cut_clean),
    ("far core", _far),
    ("cut half-open", _cut_half_open),
    ("slow bots", _slow_bots),
    ("one way dead", _one_way),
)
