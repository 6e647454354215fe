"""Why a session or a connection ended: stable codes, with the sentence a person reads.

The code is the metric label, the log field and what ``Close`` carries through the tunnel. Codes are never
renamed; new ones may be added. An unknown code from a newer peer is shown as it came.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Stable reason codes; the first word says on whose side the cause lies."""

    CLIENT_CLOSED = "client_closed"
    CLIENT_LOST = "client_lost"
    CLIENT_FRAME_LENGTH = "client_frame_length"
    ORIGIN_CLOSED = "origin_closed"
    ORIGIN_LOST = "origin_lost"
    ORIGIN_FRAME_LENGTH = "origin_frame_length"
    ORIGIN_REFUSED = "origin_refused"
    ORIGIN_UNREACHABLE = "origin_unreachable"
    ORIGIN_TIMEOUT = "origin_timeout"
    EDGE_DRAINING = "edge_draining"
    EDGE_FRAME_LENGTH = "edge_frame_length"
    CORE_DRAINING = "core_draining"
    CORE_EXHAUSTED = "core_exhausted"
    DRAIN_DEADLINE = "drain_deadline"
    NO_CORE = "no_core"
    TUNNEL_LOST = "tunnel_lost"
    SESSION_LIMIT = "session_limit"
    HALF_CLOSE_TIMEOUT = "half_close_timeout"


_SENTENCES = {
    Reason.CLIENT_CLOSED: "The player closed the connection.",
    Reason.CLIENT_LOST: "The player's connection broke.",
    Reason.CLIENT_FRAME_LENGTH: "The player's client sent a frame of a length the game does not allow.",
    Reason.ORIGIN_CLOSED: "The game server closed the connection.",
    Reason.ORIGIN_LOST: "The connection to the game server broke.",
    Reason.ORIGIN_FRAME_LENGTH: "The game server sent a frame of a length the game does not allow.",
    Reason.ORIGIN_REFUSED: "The game server does not accept connections at the moment.",
    Reason.ORIGIN_UNREACHABLE: "The game server cannot be reached at the moment.",
    Reason.ORIGIN_TIMEOUT: "The game server did not answer in time.",
    Reason.EDGE_DRAINING: "This entry point is being taken out of service. Please connect again.",
    Reason.EDGE_FRAME_LENGTH: "The edge let a frame pass whose length the game does not allow.",
    Reason.CORE_DRAINING: "The relay is being taken out of service. Please connect again.",
    Reason.CORE_EXHAUSTED: "The relay has no room for another connection. Please try again in a minute.",
    Reason.DRAIN_DEADLINE: "The relay was taken out of service. Please connect again.",
    Reason.NO_CORE: "The game cannot be reached at the moment. Please try again in a minute.",
    Reason.TUNNEL_LOST: "The way to the game server broke. Please connect again.",
    Reason.SESSION_LIMIT: "The entry point is full. Please try again in a minute.",
    Reason.HALF_CLOSE_TIMEOUT: "One side had closed and the other said nothing more.",
}

MAX_REASON_BYTES = 64
"""Bound on a reason code that comes through the tunnel."""

# Causes that the player did not choose and can read about: these get the game's notice where it has one.
_TOLD = frozenset(Reason) - {Reason.CLIENT_CLOSED, Reason.CLIENT_LOST, Reason.ORIGIN_CLOSED}


def explain(code: str) -> str:
    """Return the sentence for ``code``, or the code itself where it is not ours."""
    try:
        return _SENTENCES[Reason(code)]
    except ValueError:
        return code


def is_told(code: str) -> bool:
    """Whether a player whose session ends with ``code`` is shown a notice.

    Not when the player left, and not when the game server closed in its own way: it has said what it
    wanted to say.
    """
    return code in _TOLD
