"""Which sessions are meant: what an operator says of them, held against a seat of this core or a registry's entry.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from core.roster import STATES
from wire.errors import MisuseError

MAX_TEXT_CHARACTERS = 256


class Described(Protocol):
    """A `core.roster.Seat` or a `core.admin.entries.SessionEntry`."""

    @property
    def id(self) -> str:
        """The session's id."""
        ...

    @property
    def edge(self) -> str:
        """The name of its edge."""
        ...

    @property
    def region(self) -> str:
        """Where that stands."""
        ...

    @property
    def address(self) -> str:
        """The player's address."""
        ...

    @property
    def account(self) -> str:
        """The account."""
        ...

    @property
    def character(self) -> str:
        """The character."""
        ...

    @property
    def state(self) -> str:
        """How far the player has come."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """The sessions that fit every field that is not empty; names whatever their capitals.

    ``id`` is a whole id or its beginning, ``address`` an address or a prefix, ``core`` the name of a core.
    """

    id: str = ""
    core: str = ""
    edge: str = ""
    region: str = ""
    address: str = ""
    account: str = ""
    character: str = ""
    state: str = ""

    @property
    def is_everybody(self) -> bool:
        """Whether nothing is said."""
        return not any(getattr(self, each.name) for each in fields(self))


class Matcher:
    """Holds sessions against a selection; raises MisuseError for one that cannot be."""

    def __init__(self, selection: Selection) -> None:
        if max(len(getattr(selection, each.name)) for each in fields(selection)) > MAX_TEXT_CHARACTERS:
            raise MisuseError(f"a name of more than {MAX_TEXT_CHARACTERS} characters")
        self._id = selection.id.lower().replace("-", "")
        if len(self._id) > 32 or self._id.strip("0123456789abcdef"):
            raise MisuseError(f"{selection.id[:64]!r} is no session's id: up to 32 hexadecimal digits")
        if selection.state and selection.state not in STATES:
            raise MisuseError(f"{selection.state[:64]!r} is no state; there are: {', '.join(STATES)}")
        self._core = selection.core
        self._network = _read_network(selection.address) if selection.address else None
        self._exact = tuple(
            (name, getattr(selection, name)) for name in ("edge", "region", "state") if getattr(selection, name)
        )
        self._names = tuple(
            (name, getattr(selection, name).casefold()) for name in ("account", "character") if getattr(selection, name)
        )

    def fits(self, session: Described, core: str) -> bool:
        """Whether a session of the core of that name is meant."""
        if self._core and core != self._core:
            return False
        if self._id and not session.id.startswith(self._id):
            return False
        if any(getattr(session, name) != wanted for name, wanted in self._exact):
            return False
        if any(getattr(session, name).casefold() != wanted for name, wanted in self._names):
            return False
        return self._network is None or self._is_within(self._network, session.address)

    @staticmethod
    def _is_within(network: IPv4Network | IPv6Network, text: str) -> bool:
        try:
            return ip_address(text) in network
        except ValueError:
            return False


def _read_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise MisuseError(f"{text[:64]!r} is neither an address nor a prefix such as 203.0.113.0/24") from None
