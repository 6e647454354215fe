"""The seam between a session at the core and whatever looks into its frames (`core.features.inspector`).

Without an inspector a session carries spans; with one it shows each span before it goes on. An inspector may keep back
what is for the game server for a while (a login that must be looked up first).
"""

from typing import Protocol


class Inspector(Protocol):
    """What a session shows its spans. ``closing`` is why the session must end, empty while it need not."""

    closing: str
    is_holding: bool

    def serverbound(self, span: bytes) -> bytes:
        """Return what goes to the game server now; with ``is_holding`` the rest comes by `Line.release`."""
        ...

    def clientbound(self, span: bytes) -> bytes:
        """Return what goes to the player."""
        ...

    def ended(self, reason: str) -> int:
        """The session is over; returns how many bytes were still held. Called once."""
        ...


class Line(Protocol):
    """What an inspector can do to its session."""

    def has_room(self, *, serverbound: bool) -> bool:
        """Whether `inject` would be taken that way: the session lasts, and its reader is not too slow."""
        ...

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        """Send whole frames between the others; only when it `has_room`."""
        ...

    def release(self, frames: bytes) -> None:
        """Send what was held for the game server."""
        ...

    def end(self, reason: str) -> None:
        """End the session; what was accepted or injected goes out first."""
        ...
