"""Which names do not play: what the guards of all sessions look up, and what the players they refuse are told.

A guard only asks whether a name is among the denied ones of its kind (`wire.tables.Tables.denied`) and ends its
session at once when it is. What was found is kept until then, because the ban's own words belong to that name.
"""

from collections.abc import Container, Mapping

from edge.admission import REASONS, Admission
from wire.reasons import Reason

_KINDS: dict[str, str] = {reason: kind for kind, reason in REASONS.items()}


class DeniedNames:
    """Lists and bans of an edge, as its tunnel needs them. ``by_kind`` is for the guards' tables."""

    def __init__(self, admission: Admission) -> None:
        self.by_kind: Mapping[str, Container[bytes]] = {kind: _Names(self, kind) for kind in REASONS}
        self._admission = admission
        self._found: bytes | None = None  # the ban's words for the name that a guard has just found

    def finds(self, kind: str, name: object) -> bool:
        """Whether a name in small letters does not play; called by a guard, whose session ends then."""
        if not isinstance(name, bytes) or not self._admission.is_name_denied(kind, name):
            return False
        self._found = self._admission.ban_of_name(kind, name) or b""
        return True

    def closing_notice(self, reason: str, address: bytes, identity: Mapping[str, bytes]) -> bytes:
        """Return what a ban has to say to a player whose session has just ended with ``reason``; often nothing.

        ``identity`` is what he played as before: by it he was found if no guard has found him.
        """
        if reason == Reason.CLIENT_ADDRESS_DENIED:
            return self._admission.ban_of_address(address) or b""
        kind = _KINDS.get(reason)
        if kind is None:
            return b""
        found, self._found = self._found, None
        if found is None:
            found = self._admission.ban_of_name(kind, identity.get(kind, b"").lower())
        return found or b""


class _Names:
    """The names of one kind, as a container."""

    __slots__ = ("_denied", "_kind")

    def __init__(self, denied: DeniedNames, kind: str) -> None:
        self._denied = denied
        self._kind = kind

    def __contains__(self, name: object) -> bool:
        return self._denied.finds(self._kind, name)
