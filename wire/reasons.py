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
    CLIENT_FRAME_RATE = "client_frame_rate"
    CLIENT_BYTE_RATE = "client_byte_rate"
    CLIENT_SESSION_WORD = "client_session_word"
    CLIENT_OPCODE = "client_opcode"
    CLIENT_STATE = "client_state"
    CLIENT_COUNTER = "client_counter"
    CLIENT_TRAILER = "client_trailer"
    CLIENT_SIZE = "client_size"
    CLIENT_PACKET_RATE = "client_packet_rate"
    CLIENT_LAYOUT = "client_layout"
    CLIENT_DISTANCE = "client_distance"
    CLIENT_REFUSALS = "client_refusals"
    CLIENT_ACCOUNT_DENIED = "client_account_denied"
    CLIENT_HARDWARE_DENIED = "client_hardware_denied"
    CLIENT_CHARACTER_DENIED = "client_character_denied"
    CLIENT_ADDRESS_DENIED = "client_address_denied"
    CLIENT_ADDRESS_LIMIT = "client_address_limit"
    CLIENT_PREFIX_LIMIT = "client_prefix_limit"
    CLIENT_ACCEPT_RATE = "client_accept_rate"
    CLIENT_FRAME_DEADLINE = "client_frame_deadline"
    CLIENT_LOGIN_DEADLINE = "client_login_deadline"
    CLIENT_IDLE = "client_idle"
    CLIENT_PROXY_HEADER = "client_proxy_header"
    ORIGIN_CLOSED = "origin_closed"
    ORIGIN_LOST = "origin_lost"
    ORIGIN_FRAME_LENGTH = "origin_frame_length"
    ORIGIN_REFUSED = "origin_refused"
    ORIGIN_UNREACHABLE = "origin_unreachable"
    ORIGIN_TIMEOUT = "origin_timeout"
    EDGE_DRAINING = "edge_draining"
    EDGE_ACCEPT_RATE = "edge_accept_rate"
    EDGE_FRAME_LENGTH = "edge_frame_length"
    CORE_DRAINING = "core_draining"
    CORE_EXHAUSTED = "core_exhausted"
    DRAIN_DEADLINE = "drain_deadline"
    NO_CORE = "no_core"
    TUNNEL_LOST = "tunnel_lost"
    TUNNEL_FULL = "tunnel_full"
    SESSION_LIMIT = "session_limit"
    FEATURE_CLOSED = "feature_closed"
    FEATURE_REFUSED = "feature_refused"
    KICKED = "kicked"
    HALF_CLOSE_TIMEOUT = "half_close_timeout"


_SENTENCES = {
    Reason.CLIENT_CLOSED: "The player closed the connection.",
    Reason.CLIENT_LOST: "The player's connection broke.",
    Reason.CLIENT_FRAME_LENGTH: "The player's client sent a frame of a length the game does not allow.",
    Reason.CLIENT_FRAME_RATE: "The player's client sent more packets than the game needs.",
    Reason.CLIENT_BYTE_RATE: "The player's client sent more data than the game needs.",
    Reason.CLIENT_SESSION_WORD: "The player's client sent a packet of a kind that only servers send.",
    Reason.CLIENT_OPCODE: "The player's client sent a packet that no client of this game sends.",
    Reason.CLIENT_STATE: "The player's client sent a packet that has no place at that point of the game.",
    Reason.CLIENT_COUNTER: "The player's client sent a packet out of its turn.",
    Reason.CLIENT_TRAILER: "The player's client sent a packet without its proper ending.",
    Reason.CLIENT_SIZE: "The player's client sent a packet of a size it cannot have.",
    Reason.CLIENT_PACKET_RATE: "The player's client repeated a packet too often.",
    Reason.CLIENT_LAYOUT: "The player's client sent a packet with values the game does not allow.",
    Reason.CLIENT_DISTANCE: "The player's client went farther than anybody can.",
    Reason.CLIENT_REFUSALS: "The player's client sent too many packets that were refused.",
    Reason.CLIENT_ACCOUNT_DENIED: "This account is not admitted here.",
    Reason.CLIENT_HARDWARE_DENIED: "This computer is not admitted here.",
    Reason.CLIENT_CHARACTER_DENIED: "This character is not admitted here.",
    Reason.CLIENT_ADDRESS_DENIED: "This address is not admitted here.",
    Reason.CLIENT_ADDRESS_LIMIT: "There are too many connections from this address.",
    Reason.CLIENT_PREFIX_LIMIT: "There are too many connections from this network.",
    Reason.CLIENT_ACCEPT_RATE: "This network connects too often. Please try again in a minute.",
    Reason.CLIENT_FRAME_DEADLINE: "The player's client began a packet and did not finish it in time.",
    Reason.CLIENT_LOGIN_DEADLINE: "The player did not log in in time.",
    Reason.CLIENT_IDLE: "The player's client said nothing for too long.",
    Reason.CLIENT_PROXY_HEADER: "The load balancer's PROXY header was missing or wrong.",
    Reason.ORIGIN_CLOSED: "The game server closed the connection.",
    Reason.ORIGIN_LOST: "The connection to the game server broke.",
    Reason.ORIGIN_FRAME_LENGTH: "The game server sent a frame of a length the game does not allow.",
    Reason.ORIGIN_REFUSED: "The game server does not accept connections at the moment.",
    Reason.ORIGIN_UNREACHABLE: "The game server cannot be reached at the moment.",
    Reason.ORIGIN_TIMEOUT: "The game server did not answer in time.",
    Reason.EDGE_DRAINING: "This entry point is being taken out of service. Please connect again.",
    Reason.EDGE_ACCEPT_RATE: "Too many connections at once. Please try again in a minute.",
    Reason.EDGE_FRAME_LENGTH: "The edge let a frame pass whose length the game does not allow.",
    Reason.CORE_DRAINING: "The relay is being taken out of service. Please connect again.",
    Reason.CORE_EXHAUSTED: "The relay has no room for another connection. Please try again in a minute.",
    Reason.DRAIN_DEADLINE: "The relay was taken out of service. Please connect again.",
    Reason.NO_CORE: "The game cannot be reached at the moment. Please try again in a minute.",
    Reason.TUNNEL_LOST: "The way to the game server broke. Please connect again.",
    Reason.TUNNEL_FULL: "The way to the game server was broken for too long. Please connect again.",
    Reason.SESSION_LIMIT: "The entry point is full. Please try again in a minute.",
    Reason.FEATURE_CLOSED: "A feature of the relay ended the session, and told the player why.",
    Reason.FEATURE_REFUSED: "A feature of the relay refused the login, and told the player why.",
    Reason.KICKED: "An operator ended the session, and told the player so.",
    Reason.HALF_CLOSE_TIMEOUT: "One side had closed and the other said nothing more.",
}

MAX_REASON_BYTES = 64
"""Bound on a reason code that comes through the tunnel."""

TOLD_BEFORE = frozenset({Reason.FEATURE_CLOSED, Reason.FEATURE_REFUSED, Reason.KICKED})
"""The player was told, by a frame of the game that went before: there are last words to deliver."""

# Causes that the player did not choose and can read about: these get the game's notice where it has one.
_TOLD = frozenset(Reason) - {
    Reason.CLIENT_CLOSED,
    Reason.CLIENT_LOST,
    Reason.CLIENT_PROXY_HEADER,
    Reason.ORIGIN_CLOSED,
    *TOLD_BEFORE,
}


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
