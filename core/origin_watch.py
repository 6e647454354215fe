"""Remembers whether the game server answers, so that its absence is said once and not per player."""

from collections.abc import Callable

import structlog

from core.origin import OriginError

_log = structlog.get_logger("core.origin")

CALM_SECONDS = 10.0
"""Without a failure for so long the game server counts as back: one that answers now and then is not."""


class OriginWatch:
    """Two states, with a line for each change of state. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._last_failure_seconds = 0.0
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why players cannot be let in, in one sentence; empty while they can, as far as the last attempt has shown."""
        return self._problem

    def failed(self, error: OriginError) -> None:
        """Count a failed attempt; the first after a good time is worth a line."""
        self._failures += 1
        self._last_failure_seconds = self._clock()
        self._problem = f"the game server does not answer: {error}"
        if self._failures == 1:
            _log.error("origin_away", reason=error.reason.value, detail=str(error))

    def worked(self) -> None:
        """Count a good attempt; the first after a calm time is worth a line if there were failures before."""
        self._problem = ""
        if self._failures and self._clock() - self._last_failure_seconds >= CALM_SECONDS:
            _log.info("origin_back", sessions_refused=self._failures)
            self._failures = 0
