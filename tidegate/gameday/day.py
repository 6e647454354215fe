"""What a fault has at hand: the network, the crowd, a clock of its own chance, and where it writes down what it found.

Made by `tidegate.gameday.run`, used by `tidegate.gameday.faults`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic_ns
from typing import Protocol

from tidegate.gameday.bot import Bot
from tidegate.gameday.bot_session import BotSession
from tidegate.gameday.conditions import CLEAR, Conditions, CutKind
from tidegate.gameday.crowd import Crowd
from tidegate.gameday.login_probe import LoginProbe
from tidegate.gameday.musts import Must, none
from tidegate.gameday.network import Layout, Network, Relay
from tidegate.gameday.pauses import FaultPauses, PauseLog
from tidegate.gameday.records import BotRecord, Ledger
from tidegate.gameday.relay_orders import WAKE

Figure = float | str

STATISTICS_SECONDS = 5.0
"""Relays say far more often how many sessions they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOptions:
    """What all faults share."""

    bots: int = 1000
    frames_per_second: float = 10.0
    seed: int = 1
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a day ended: the ledger, ended sessions by what bots saw, and by what relays counted and complained of."""

    ledger: Ledger
    ended: Counter[str]
    failed_logins: Counter[str]
    closed_by_relays: dict[str, Counter[str]]
    refused_by_relays: dict[str, Counter[str]]
    complaints: dict[str, Counter[str]]
    was_drained: bool
    was_interrupted: bool = False

    @property
    def sessions_ended(self) -> int:
        """Sessions that ended though their bot did not leave."""
        return sum(self.ended.values())

    def ledger_musts(self) -> list[Must]:
        """Return that nothing was lost, doubled, reordered or given to somebody else."""
        ledger = self.ledger
        musts = []
        for way, tally in (("serverbound", ledger.serverbound), ("clientbound", ledger.clientbound)):
            musts += [
                none(f"{way} frames lost", tally.lost),
                none(f"{way} frames doubled", tally.doubled),
                none(f"{way} frames reordered", tally.reordered),
            ]
        return [*musts, none("frames of another session", ledger.foreign)]


@dataclass(slots=True)
class GameDay:
    """The running day. ``say`` shows a line of progress."""

    options: DayOptions
    network: Network
    crowd: Crowd
    random: Random
    say: Callable[[str], None]
    pauses: PauseLog = field(default_factory=PauseLog)
    figures: dict[str, Figure] = field(default_factory=dict)
    probe_records: list[BotRecord] = field(default_factory=list)
    _window: dict[Bot, BotSession | None] = field(default_factory=dict)

    def begin_window(self) -> None:
        """Begin to look at the bots' longest round trips anew."""
        self._window = {bot: bot.session for bot in self.crowd.bots}
        for bot in self._window:
            bot.longest.begin()

    def end_window(self, what: str, fault_seconds: float) -> FaultPauses:
        """Write down what the window has shown of a fault."""
        values = (
            bot.longest if session is not None and bot.session is session else None
            for bot, session in self._window.items()
        )
        return self.pauses.add(what, fault_seconds, values)

    async def heal(self) -> None:
        """Make every road clear and whole."""
        for proxy in self.network.proxies:
            if proxy.is_cut:
                await proxy.heal()
            proxy.set_conditions(CLEAR)
        self.crowd.watch.healed()

    async def restore(self) -> None:
        """Put everything right that a fault may have left behind when it was interrupted."""
        await self.heal()
        for relay in self.network.relays:
            with contextlib.suppress(ProcessLookupError):
                relay.send_signal(WAKE)
        await self.network.origin.calm()
        for bot in self.crowd.bots:
            if bot.session is not None:
                bot.session.read_on()

    def set_conditions(self, conditions: Conditions) -> None:
        """Change all roads."""
        for proxy in self.network.proxies:
            proxy.set_conditions(conditions)

    async def cut(self, kind: CutKind, seconds: float) -> None:
        """Cut all roads for so long."""
        for proxy in self.network.proxies:
            proxy.cut(kind)
        await asyncio.sleep(seconds)
        await self.heal()

    async def busiest_core(self) -> int:
        """Return the index of the core that carries the most sessions, when it has said how many those are."""
        network = self.network
        await self.crowd.until(lambda: any(core.log.sessions for core in network.cores), STATISTICS_SECONDS)
        return network.busiest_core()

    async def until_recovered(self, seconds: float) -> bool:
        """Wait until every bot plays and has an answer to something it said after now; return whether all have."""
        now_ns = monotonic_ns()
        return await self.crowd.until(lambda: all(bot.has_answer_since(now_ns) for bot in self.crowd.bots), seconds)

    def probe(self, every_seconds: float = 0.1) -> LoginProbe:
        """Return a probe of all edges."""
        crowd = self.crowd
        return LoginProbe(self.network.players_at, crowd.next_session, self.probe_records, every_seconds=every_seconds)

    def kill_meant(self, relay: Relay, number: int) -> None:
        """Send a relay a signal that is to end it."""
        relay.is_meant_to_end = True
        relay.send_signal(number)


class Fault(Protocol):
    """One thing that goes wrong, and what must hold all the same."""

    @property
    def name(self) -> str:
        """What the command is called."""

    @property
    def title(self) -> str:
        """What it does, in a line."""

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""

    async def run(self, day: GameDay) -> None:
        """Break things; the bots play before, meanwhile and afterwards."""

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold, with figures."""
