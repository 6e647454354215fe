"""Remembers whether Consul does what is asked of it, so that its absence is said once, and since when."""

import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger("discovery")


class ConsulState:
    """Several parts ask Consul for things; it is well while all of them get what they ask for.

    ``on_change`` holds what is called when it becomes well, ceases to be, or is unwell for another reason.
    """

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.since_seconds = 0.0
        self._wall_clock = wall_clock
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """What goes wrong, in one sentence; empty while all is well."""
        return next(iter(self._problems.values()), "")

    def failed(self, part: str, reason: str) -> None:
        """A part did not get what it asked for."""
        before = self.problem
        self._problems[part] = f"Consul: {reason}"
        if not before:
            self.since_seconds = self._wall_clock()
            _log.warning("consul_away", part=part, reason=reason, action="going on with what is known")
        if self.problem != before:
            self._tell()

    def worked(self, part: str) -> None:
        """A part got what it asked for."""
        before = self.problem
        if self._problems.pop(part, None) is None:
            return
        if not self._problems:
            _log.info("consul_back", after_seconds=round(self._wall_clock() - self.since_seconds, 1))
            self.since_seconds = 0.0
        if self.problem != before:
            self._tell()

    def _tell(self) -> None:
        for callback in self.on_change:
            callback()
