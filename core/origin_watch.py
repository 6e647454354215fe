"""Remembers whether the game server answers, so that its absence is said once and not per player."""

from collections.abc import Callable

import structlog

from core.origin import OriginError

_log = structlog.get_logger("core.origin")

CALM_SECONDS = 10.0
"""Without a failure for so long the game server counts as back: one that answers now and then is not."""

PROBLEM_SECONDS = 30.0
"""How long a failure is a problem while nobody tries again: where nothing checks, only a player can find it gone."""


class OriginWatch:
    """Two states, with a line for each change of state. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_away = False  # as far as it has been said
        self._refused = 0
        self._last_failure_seconds = 0.0
        self._last_success_seconds: float | None = None
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why players cannot be let in, in one sentence; empty while they can, as far as the last attempt has shown."""
        is_recent = self._clock() - self._last_failure_seconds < PROBLEM_SECONDS
        return self._problem if is_recent else ""

    def worked_within(self, seconds: float) -> bool:
        """Whether somebody reached the game server so lately, and nobody has failed since."""
        last = self._last_success_seconds
        return last is not None and not self._problem and self._clock() - last < seconds

    def failed(self, error: OriginError) -> None:
        """Count a player who could not be let in; the first after a good time is worth a line."""
        self._refused += 1
        self.check_failed(error)

    def check_failed(self, error: OriginError) -> None:
        """An attempt of our own failed, which costs no player anything."""
        self._last_failure_seconds = self._clock()
        self._problem = f"the game server does not answer: {error}"
        if not self._is_away:
            self._is_away = True
            _log.error("origin_away", reason=error.reason.value, detail=str(error))

    def worked(self) -> None:
        """An attempt was good; the first after a calm time is worth a line if there were failures before."""
        self._problem = ""
        self._last_success_seconds = self._clock()
        if self._is_away and self._clock() - self._last_failure_seconds >= CALM_SECONDS:
            _log.info("origin_back", sessions_refused=self._refused)
            self._is_away, self._refused = False, 0
