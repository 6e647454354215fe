"""What one end of a tunnel counts: plain integers, because they are touched on the hot path."""

from collections import Counter

from wire.reasons import Reason

_OURS = frozenset(reason.value for reason in Reason)

_NAMES = (
    "batches_received",
    "batches_sent",
    "bytes_clientbound",
    "bytes_discarded",
    "bytes_serverbound",
    "frames_audited",
    "frames_clientbound",
    "frames_refused",
    "frames_serverbound",
    "sessions_closed",
    "sessions_opened",
    "sessions_refused",
    "tunnel_faults",
)


class Counters:
    """Sums since the process started; read by the statistics line.

    ``frames_*`` are counted where frames are seen: serverbound at the edge and the core, clientbound at the
    core only, since an edge trusts what its core has framed. ``frames_refused`` are counted at the edge by reason,
    ``frames_audited`` too: those would have been refused if their rules were enforced. ``tunnel_faults`` are times that
    the other end, which is one of ours, broke the tunnel's contract.
    """

    __slots__ = _NAMES

    def __init__(self) -> None:
        self.frames_serverbound = 0
        self.frames_clientbound = 0
        self.frames_refused: Counter[str] = Counter()
        self.frames_audited: Counter[str] = Counter()
        self.bytes_serverbound = 0
        self.bytes_clientbound = 0
        self.bytes_discarded = 0
        self.batches_sent = 0
        self.batches_received = 0
        self.sessions_opened = 0
        self.sessions_closed: Counter[str] = Counter()
        self.sessions_refused: Counter[str] = Counter()
        self.tunnel_faults = 0

    def count_closed(self, reason: str) -> None:
        """Count an ended session; codes that are not ours are counted together, so that a peer cannot make them up."""
        self.sessions_closed[Reason(reason).value if reason in _OURS else "other"] += 1

    def as_fields(self) -> dict[str, int]:
        """Return all counts as log fields; those by reason get a field per reason."""
        fields: dict[str, int] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if isinstance(value, Counter):
                fields.update({f"{name}_{reason}": count for reason, count in sorted(value.items())})
            else:
                fields[name] = value
        return fields
