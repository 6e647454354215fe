"""Follows the features folder while players play.

What has changed is loaded beside the old, checked, and put in its place between two packets.
"""

from __future__ import annotations

import asyncio

import structlog

from core.features.errors import FeatureError
from core.features.folder import FeatureFolder, Loading
from core.features.host import FeatureHost

_log = structlog.get_logger("core.features")

POLL_SECONDS = 0.5


class FeatureReload:
    """Keeps a host's features to what its folder says."""

    def __init__(self, host: FeatureHost, folder: FeatureFolder) -> None:
        self._host = host
        self._folder = folder
        self._told = self._seen = folder.stamp()  # before it is read: no change may be missed
        self._loading = asyncio.Lock()
        self._asked: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load everything for the first time; raises FeatureError with all mistakes.

        A core does not run without the features it was given.
        """
        loading = await self._folder.load()
        if loading.mistakes:
            first, *others = loading.mistakes
            if not others:
                raise first
            raise FeatureError(first.place, f"{_without_place(first)}\n" + "\n".join(map(str, others)))
        await self._host.switch(loading.features, loading.operators)
        if loading.features:
            _log.info("features_loaded", features=", ".join(each.name for each in loading.features))

    async def run(self) -> None:
        """Follow the folder until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Look once; a change is acted on at the second look that finds it the same: files are not written at once."""
        before, self._seen = self._seen, self._folder.stamp()
        if self._seen == before != self._told:
            self._told = self._seen
            await self.reload()

    def reload_soon(self) -> None:
        """Reload, for a signal's handler."""
        task = asyncio.create_task(self.reload(), name="feature-reload")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def reload(self) -> None:
        """Load what has changed, and say what became of it."""
        async with self._loading:
            try:
                loading = await self._folder.load()
                await self._host.switch(loading.features, loading.operators)
            except Exception as error:  # a mistake of ours must not end what follows the folder, and with it the core
                _log.error("reload_failed", exc_info=error)
                return
        _say(loading)


def _say(loading: Loading) -> None:
    for mistake in loading.mistakes:
        _log.error("feature_refused", mistake=str(mistake), action="what ran before goes on")
    _log.info(
        "features_reloaded",
        loaded=", ".join(loading.loaded),
        removed=", ".join(loading.removed),
        running=", ".join(each.name for each in loading.features),
    )


def _without_place(error: FeatureError) -> str:
    return str(error).removeprefix(f"{error.place}: ")
