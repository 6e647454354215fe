"""Follows the rules file of a core while players play.

A good new version is sent to every edge at once. A bad one changes nothing, and all its mistakes are said once.
"""

import asyncio

import structlog

from core.core import Core
from fleet.watched_file import WatchedFile
from tidegate.errors import SettingsError
from tidegate.rule_overrides_apply import describe_changes, override_policy
from tunnel.policy import policy_digest

_log = structlog.get_logger("core.policy")

MAX_SHOWN_MISTAKES = 50
"""Lines of the log that one bad file may take; nobody mends more of them at once."""


class RulesReload:
    """Keeps a core's policy to what its rules file says; ``file`` is empty where there is none.

    Raises SettingsError when the file cannot be used at the start: a core does not run without the rules it was given.
    """

    def __init__(self, core: Core, file: str) -> None:
        self._core = core
        self._file = file
        self._pack_policy = core.policy  # what the file is put over, each time anew
        if file:
            self._watched = WatchedFile(file)  # before it is read: no change may be missed
            core.set_policy(override_policy(self._pack_policy, file))

    async def run(self) -> None:
        """Follow the file until cancelled."""
        if not self._file:
            await asyncio.Event().wait()
        await self._watched.run(self._reload)

    async def poll(self) -> None:
        """Look at the file once."""
        if self._watched.has_changed():
            await self._reload()

    async def _reload(self) -> None:
        try:
            # A file may be long, and finding what was meant by a wrong name takes its time.
            policy = await asyncio.to_thread(override_policy, self._pack_policy, self._file)
        except SettingsError as error:
            count = len(error.mistakes)
            _log.error("rules_refused", file=self._file, mistakes=count, action="the running rules stay")
            for mistake in error.mistakes[:MAX_SHOWN_MISTAKES]:
                _log.error("rules_mistake", mistake=str(mistake))
            if count > MAX_SHOWN_MISTAKES:
                _log.error(
                    "rules_mistake", mistake=f"{count - MAX_SHOWN_MISTAKES} more; 'tidegate policy check' has all"
                )
            return
        changes = describe_changes(self._core.policy, policy)
        if policy != self._core.policy:
            self._core.set_policy(policy)
        edges = len(self._core.service.tunnels)
        _log.info("rules_loaded", file=self._file, changes=changes, policy=policy_digest(policy)[:12], tunnels=edges)
