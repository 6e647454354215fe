"""Whether the other end of a tunnel makes progress, how long the way to it is, and whether we ourselves slept.

Judged by ticks of our own event loop, four a second, not by a clock: a process that was stopped, or whose loop was
held up, has heard nothing either, and may not blame the other end for it. In turn, an end that slept longer than the
other one's patience must not touch the tunnel as if nothing had happened: the other end has given this attachment
up by then, and may have given its sessions to somebody else. Pure: the time is an argument, in nanoseconds.
"""

from wire.errors import TunnelFault

TICK_SECONDS = 0.25
"""Between two heartbeats, and between two looks at what was heard."""

SILENT_TICKS = 4
"""So many ticks without a message, and at the next the attachment is dead: after 1.0 to 1.25 s."""

DOUBTFUL_TICKS = 3
"""After so many, 0.5 to 0.75 s, it is better to begin nothing new there."""

BEATS_AT_ONCE = 100
BEATS_PER_SECOND = 20
"""Heartbeats that may come: four a second are sent, and those of a road that stood still come together."""

SLEPT_NS = 1_000_000_000
"""Who has not run for so long was given up by the other end, or may have been."""

_SLEPT_NS = SLEPT_NS  # for this module, as C has it

SMOOTHING = 16
"""Of the round trip and its jitter, as RTP does it (RFC 3550, section 6.4.1)."""


class Liveness:
    """One attachment, seen from one end."""

    __slots__ = (
        "_beats_left",
        "_began_ns",
        "_echo_ns",
        "_heard_ns",
        "_last_tick_ns",
        "_silent_ticks",
        "_transit_ns",
        "jitter_ns",
        "least_round_trip_ns",
        "round_trip_ns",
    )

    def __init__(self, now_ns: int) -> None:
        self.round_trip_ns = 0  # smoothed; 0 until it is known
        self.least_round_trip_ns = 0  # the way itself, without anybody's queue; 0 until it is known
        self.jitter_ns = 0  # how much the one-way time towards us varies, smoothed
        self._silent_ticks = 0
        self._beats_left = float(BEATS_AT_ONCE)
        self._last_tick_ns = now_ns
        self._began_ns = now_ns  # before any heartbeat of ours
        self._echo_ns = 0  # the clock of the other end in its last heartbeat, 0 for none
        self._heard_ns = now_ns  # when that one came
        self._transit_ns: int | None = None  # of that one, in no common clock: only differences mean something

    def heard(self) -> None:
        """A message came: the other end makes progress."""
        self._silent_ticks = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether the other end has been silent for longer than the road explains."""
        return self._silent_ticks >= DOUBTFUL_TICKS

    def slept(self, now_ns: int) -> bool:
        """Whether we have not run for so long that the other end must have given us up."""
        return now_ns - self._last_tick_ns > _SLEPT_NS

    def idle_seconds(self, now_ns: int) -> float:
        """How long ago the last tick was: a sleep counts as a part of what follows it."""
        return max(0, now_ns - self._last_tick_ns) / 1e9

    def tick(self, now_ns: int) -> bool:
        """A quarter of a second is over; return whether the other end has been silent for too long."""
        self._last_tick_ns = now_ns
        self._silent_ticks += 1
        return self._silent_ticks > SILENT_TICKS

    def beat(self, now_ns: int) -> tuple[int, int, int]:
        """Return what the next heartbeat says: our clock, the other end's last, and how long that one waited here."""
        waited = now_ns - self._heard_ns if self._echo_ns else 0
        return now_ns, self._echo_ns, waited

    def take(self, sent_ns: int, echoed_ns: int, waited_ns: int, now_ns: int) -> None:
        """Learn from the other end's heartbeat; raises TunnelFault for an echo of what was never said, or too many.

        That it waited there for longer than it was away can be: two machines' clocks do not run alike, and one of a
        virtual machine that is moved stands still. Such an echo is no measure of the way.
        """
        left = self._beats_left + (now_ns - self._heard_ns) / 1e9 * BEATS_PER_SECOND
        self._beats_left = min(left, float(BEATS_AT_ONCE)) - 1
        if self._beats_left < 0:
            raise TunnelFault(f"more than {BEATS_AT_ONCE} heartbeats at once, and {BEATS_PER_SECOND} a second")
        if echoed_ns and not self._began_ns <= echoed_ns <= now_ns:
            raise TunnelFault(f"heartbeat with an echo of {echoed_ns} ns, and now is {now_ns}")
        if echoed_ns and 0 <= waited_ns <= now_ns - echoed_ns:
            self._measure(now_ns - echoed_ns - waited_ns)
        transit = now_ns - sent_ns
        if self._transit_ns is not None:
            self.jitter_ns += (abs(transit - self._transit_ns) - self.jitter_ns) // SMOOTHING
        self._transit_ns = transit
        self._echo_ns = sent_ns
        self._heard_ns = now_ns

    def _measure(self, round_trip_ns: int) -> None:
        if self.round_trip_ns == 0:
            self.round_trip_ns = self.least_round_trip_ns = round_trip_ns
        else:
            self.least_round_trip_ns = min(self.least_round_trip_ns, round_trip_ns)
            self.round_trip_ns += (round_trip_ns - self.round_trip_ns) // SMOOTHING
