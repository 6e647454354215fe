"""What features reach through: the relay as a feature and its sessions see it.

The host (`core.features.host`) and the test kit (`core.features.kit`) each implement these; a feature never sees more.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from core.features.api import Command, Event, RawPacket
    from core.features.session import Session
    from core.store.protocol import Store
    from games.packet import Packet


class BanKind(StrEnum):
    """What a ban is about; the words of the deny files."""

    ADDRESS = "address"
    ACCOUNT = "account"
    HARDWARE = "hardware"
    CHARACTER = "character"


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a message is for: all sessions, of all cores, that fit every field that is not empty."""

    account: str = ""
    character: str = ""
    region: str = ""
    session_id: str = ""


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Do not call it; harmless when it was called already."""
        ...


class Players(Protocol):
    """The players of this core, and messages to those of all cores."""

    @property
    def here(self) -> Iterable[Session]:
        """The sessions of this core, as they are now."""
        ...

    def find(self, *, account: str = "", character: str = "", session_id: str = "") -> Session | None:
        """Return a session of this core that fits, capitals or not, or None."""
        ...

    def tell(
        self, text: str | bytes, *, account: str = "", character: str = "", region: str = "", popup: bool = False
    ) -> None:
        """Show a text to the players of all cores that fit; in a box with ``popup``.

        Without account and character it is for those who are in the game.
        """
        ...

    def send(self, packet: Packet | RawPacket, *, account: str = "", character: str = "", region: str = "") -> None:
        """Send a clientbound packet to the players of all cores that fit; see `tell`."""
        ...

    def close(self, text: str, *, account: str = "", character: str = "", session_id: str = "") -> None:
        """End the sessions of all cores that fit, which are shown ``text``; at least one condition is needed."""
        ...


class Bans(Protocol):
    """Who is kept out, by all edges; see `docs/features/bans.md`."""

    def add(self, kind: BanKind, value: str, *, reason: str = "", seconds: float = 0, by: str = "") -> None:
        """Keep somebody out from now on, at all edges, and end the sessions it concerns.

        ``value`` is an address or prefix, or a name; ``seconds`` 0 is for ever. Raises MisuseError for a value that
        cannot be.
        """
        ...

    def remove(self, kind: BanKind, value: str) -> bool:
        """Let somebody in again; whether there was such a ban."""
        ...

    @property
    def all(self) -> list[BanEntry]:
        """The bans that are in force."""
        ...


@dataclass(frozen=True, slots=True)
class BanEntry:
    """One ban. Times are seconds of `time.time`; ``until`` 0 is for ever. ``by`` is who banned."""

    kind: BanKind
    value: str
    reason: str = ""
    by: str = ""
    since: float = 0.0
    until: float = 0.0


class Log(Protocol):
    """Lines of the core's log, with the feature's name in them; never one per packet."""

    def debug(self, event: str, **fields: object) -> None:
        """Say what is of interest to who looks for a fault."""
        ...

    def info(self, event: str, **fields: object) -> None:
        """Say what happened."""
        ...

    def warning(self, event: str, **fields: object) -> None:
        """Say what somebody should look at."""
        ...

    def error(self, event: str, **fields: object) -> None:
        """Say what somebody must do something about."""
        ...


class Relay(Protocol):
    """All of the core that one feature reaches (`Feature` passes its calls on to this)."""

    @property
    def store(self) -> Store:
        """What cores remember and share."""
        ...

    @property
    def players(self) -> Players:
        """Who is connected."""
        ...

    @property
    def bans(self) -> Bans:
        """Who is kept out."""
        ...

    @property
    def commands(self) -> dict[str, Command]:
        """The chat commands of all features, by name."""
        ...

    @property
    def operators(self) -> frozenset[str]:
        """Accounts, small, that may use operators' commands."""
        ...

    @property
    def log(self) -> Log:
        """The feature's log."""
        ...

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        ...

    def wall_time(self) -> float:
        """Seconds since 1970."""
        ...

    def after(self, seconds: float, call: Callable[[], object], session: Session | None) -> Timer:
        """Have something called later, contained like a handler; never, if the session has ended before."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work beside the traffic, until it ends or the feature is unloaded."""
        ...

    def emit(self, event: Event) -> None:
        """Tell all features that want to know (`Feature.noticed`)."""
        ...

    def read_kept(self, cell: str, key: str) -> bytes | None:
        """Return what is kept under a cell's key, as far as it is loaded."""
        ...

    def write_kept(self, cell: str, key: str, value: bytes | None, expiry_seconds: float) -> None:
        """Keep a value, or forget it (None)."""
        ...

    async def load_kept(self, cell: str, key: str) -> bytes | None:
        """Return what the store has under a cell's key, for somebody who need not be online."""
        ...
