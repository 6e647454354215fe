"""Bans on the wire: packs them into messages within the contract's bounds, and reads messages of a core.

A message comes from another machine: it is bounded before it is read, and used whole or not at all.
"""

from functools import lru_cache

from google.protobuf.message import DecodeError

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import KINDS, MAX_BAN_SECONDS, MAX_NAME_BYTES, MAX_NOTICE_BYTES, Ban, BanChanges, Banned, check_notice
from wire.errors import FrameFault, MisuseError, TunnelFault
from wire.layout import FrameLayout

MAX_BANS_BYTES = 256 * 1024
MAX_ENTRIES = 1000
"""Removed and added in one message that an edge accepts: about 6 ms of work."""

ENTRIES_SENT = 250
"""Removed and added in one message that is sent: with 1000 a set is there no sooner, and both ends stop for longer."""

_ENTRY_BYTES = 32
"""Around a name or a notice: tags, lengths and numbers, 25 bytes at most."""

_LARGEST_ENTRY_BYTES = MAX_NAME_BYTES + MAX_NOTICE_BYTES + 2 * _ENTRY_BYTES
_MAX_MILLISECONDS = int(MAX_BAN_SECONDS * 1000)
_NUMBERS = {kind: tunnel_pb2.BanKind.Value(f"BAN_KIND_{kind.upper()}") for kind in KINDS}
_KINDS = {number: kind for kind, number in _NUMBERS.items()}


class BansPacker:
    """One message that is being filled; add to it as long as it `has_room`."""

    def __init__(self, *, resets: bool = False) -> None:
        self._changes = tunnel_pb2.BanChanges(resets=resets)
        self._notices: dict[bytes, int] = {}
        self._entries = 0
        self._size_bytes = _ENTRY_BYTES

    @property
    def has_room(self) -> bool:
        """Whether one more belongs here, however large it is."""
        return self._entries < ENTRIES_SENT and self._size_bytes + _LARGEST_ENTRY_BYTES <= MAX_BANS_BYTES

    def remove(self, whom: Banned) -> None:
        """Add somebody who is not banned any more."""
        self._count(whom)
        self._changes.removed.append(_encode_banned(whom))

    def add(self, ban: Ban) -> None:
        """Add a ban."""
        self._count(ban.whom)
        notice = 0
        if ban.notice:
            notice = self._notices.setdefault(ban.notice, len(self._notices) + 1)
            if notice > len(self._changes.notices):
                self._changes.notices.append(ban.notice)
                self._size_bytes += len(ban.notice) + _ENTRY_BYTES
        self._changes.added.append(
            tunnel_pb2.Ban(
                whom=_encode_banned(ban.whom), milliseconds_left=_milliseconds(ban.seconds_left), notice=notice
            )
        )

    def message(self, *, is_complete: bool) -> tunnel_pb2.Bans:
        """Return what was put in; ``is_complete``: the edge knows all the core does then."""
        self._changes.is_complete = is_complete
        return tunnel_pb2.Bans(changes=self._changes.SerializeToString())

    def _count(self, whom: Banned) -> None:
        self._entries += 1
        self._size_bytes += len(whom.value) + _ENTRY_BYTES


def decode_bans(message: tunnel_pb2.Bans, layout: FrameLayout) -> BanChanges:
    """Read and check a message; ``layout`` is that of clientbound frames. Raises TunnelFault for all of it."""
    raw = message.changes
    if not 1 <= len(raw) <= MAX_BANS_BYTES:
        raise TunnelFault(f"bans of {len(raw)} bytes: 1 to {MAX_BANS_BYTES} are allowed")
    try:
        changes = tunnel_pb2.BanChanges.FromString(raw)
    except DecodeError as error:
        raise TunnelFault(f"the bans cannot be read: {error}") from error
    entries = len(changes.added) + len(changes.removed)
    if max(entries, len(changes.notices)) > MAX_ENTRIES:
        raise TunnelFault(
            f"{entries} bans and {len(changes.notices)} notices in one message: at most {MAX_ENTRIES} each are allowed"
        )
    try:
        notices = (b"", *[_checked_notice(notice, layout) for notice in changes.notices])
        return BanChanges(
            added=tuple([_decode_ban(ban, notices) for ban in changes.added]),
            removed=tuple([_decode_banned(whom) for whom in changes.removed]),
            resets=changes.resets,
            is_complete=changes.is_complete,
        )
    except (MisuseError, FrameFault) as error:
        raise TunnelFault(f"impossible bans: {error}") from error


def _milliseconds(seconds: float) -> int:
    """Return a ban's time for the wire: one that is nearly over is not for ever."""
    return max(1, min(round(seconds * 1000), _MAX_MILLISECONDS)) if seconds else 0


def _encode_banned(whom: Banned) -> tunnel_pb2.Banned:
    return tunnel_pb2.Banned(kind=_NUMBERS[whom.kind], value=whom.value, prefix_bits=whom.bits)  # type: ignore[arg-type]


def _decode_banned(whom: tunnel_pb2.Banned) -> Banned:
    return Banned(_KINDS.get(whom.kind, "nothing known"), whom.value, whom.prefix_bits)


def _decode_ban(ban: tunnel_pb2.Ban, notices: tuple[bytes, ...]) -> Ban:
    if ban.notice >= len(notices):
        raise MisuseError(f"notice {ban.notice} of {len(notices) - 1}")
    return Ban(_decode_banned(ban.whom), ban.milliseconds_left / 1000, notices[ban.notice])


@lru_cache(maxsize=64)
def _checked_notice(notice: bytes, layout: FrameLayout) -> bytes:
    """Return the notice; equal ones are kept once, in whatever messages they come. Raises what `check_notice` does."""
    if not 1 <= len(notice) <= MAX_NOTICE_BYTES:
        raise MisuseError(f"a ban's notice of {len(notice)} bytes: 1 to {MAX_NOTICE_BYTES} are possible")
    check_notice(notice, layout)
    return notice
