"""The interface of discovery, and the kind of it that needs nothing: addresses from the settings.

Made by `tidegate.discovering`, run beside a relay. Whoever wants the relays of a role is told at once when they change,
and may look at what was found last.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fleet.address import Address
from fleet.records import Found, Record, Role

OnFound = Callable[[Found], None]


class Discovery(Protocol):
    """Finds relays, and lets others find this one while `run` runs."""

    @property
    def kind(self) -> str:
        """How: ``static`` or ``consul``."""
        ...

    @property
    def found(self) -> Mapping[Role, Found]:
        """What was found last, for each role that is looked for."""
        ...

    @property
    def problem(self) -> str:
        """Why what was found may be old, in one sentence; empty while it is fresh."""
        ...

    @property
    def since_seconds(self) -> float:
        """Since when there is a problem, in seconds of ``time.time``; 0 while there is none."""
        ...

    async def run(self) -> None:
        """Look until cancelled; then take this relay out."""
        ...


class StaticDiscovery:
    """The cores that the settings name. It tells once, finds nobody else and registers nowhere."""

    kind = "static"
    problem = ""
    since_seconds = 0.0

    def __init__(self, cores: Sequence[Address], on_found: Mapping[Role, OnFound] | None = None) -> None:
        records = tuple(Record("core", str(address), address) for address in cores)
        self.found: Mapping[Role, Found] = {"core": Found(records)} if records else {}
        self._on_found = dict(on_found or {})

    async def run(self) -> None:
        """Tell, and wait to be cancelled."""
        for role, found in self.found.items():
            if role in self._on_found:
                self._on_found[role](found)
        await asyncio.Event().wait()
