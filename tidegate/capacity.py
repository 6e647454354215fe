"""What a relay was measured to carry, and what that means for a number of players. Pure arithmetic.

Called by `tidegate.fleet_plan`. The figures are those of the records in ``bench/results`` (docs/benchmark.md); a test
holds them against these files. In a record a packet is a frame there *and* back, and its CPU is that of both relays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FEATURES_RECORD = "bench/results/2026-11-23-0a1dd62.json"
MEMORY_RECORD = "bench/results/2026-11-22-cc4a76b.json"

CPU_US_PER_PACKET: tuple[tuple[float, float], ...] = ((3000, 234.371), (10000, 101.431))
"""Packets a second, and CPU µs of both relays for each, with all built-in features: fuller batches are cheaper."""

RELAY_SHARE = 0.62
"""The most that one of the two relays used of it, rounded up; in the rounds of the record it was 0.51 to 0.61."""

IDLE_BYTES_PER_SESSION = 4740
"""Memory of both relays for a session that says nothing."""

BUFFER_BYTES_PER_SESSION = 16384
"""What is added for a session that plays: bytes on the road and socket buffers. Assumed, not measured."""

PROCESS_BYTES = 256 << 20
"""What a relay holds without any session, with room for its rings. Assumed."""

SYSTEM_BYTES = 1 << 30
"""What the machine's system and its agents are given. Assumed."""

HEADER_BYTES = 52
"""TCP and IPv4 headers of a segment with timestamps; each frame is taken to travel alone."""

SECONDS_PER_MONTH = 365.25 / 12 * 86400


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a player sends and gets, in frames a second and bytes a frame, while playing."""

    frames_up_per_second: float
    frames_down_per_second: float
    frame_up_bytes: float
    frame_down_bytes: float

    @property
    def packets_per_second(self) -> float:
        """Return the same as packets of the benchmark, each of which is a frame in both directions."""
        return (self.frames_up_per_second + self.frames_down_per_second) / 2


TYPICAL: Mapping[str, Traffic] = {
    "pko": Traffic(3, 9, 67, 48),
    "echo": Traffic(10, 10, 64, 64),
    "generic": Traffic(10, 10, 64, 64),
    "raw": Traffic(10, 10, 64, 64),
}
"""By game pack. For `pko`, 3 a second of 67 bytes is what the project's own bots send; what a player gets is assumed to
be what two or three others in sight do. Measure your own game: `tidegate_core_frames_total` has both directions."""


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance type: processors and memory."""

    name: str
    processors: int
    memory_bytes: int


MACHINES: Mapping[str, Machine] = {
    each.name: each
    for each in (
        Machine("c7i.large", 2, 4 << 30),
        Machine("c7i.xlarge", 4, 8 << 30),
        Machine("c7i.2xlarge", 8, 16 << 30),
        Machine("c7i.4xlarge", 16, 32 << 30),
        Machine("m7i.large", 2, 8 << 30),
        Machine("m7i.xlarge", 4, 16 << 30),
    )
}


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one machine carries as an edge or as a core: ``workers`` processes, ``sessions`` in all, and what binds."""

    workers: int
    sessions: int
    bound_by: str


def measure_capacity(machine: Machine, traffic: Traffic, busy: float) -> Capacity:
    """Return what a machine carries with its workers' processors ``busy`` (0 to 1) of the time.

    One processor of each machine is left to the system: network interrupts, TLS of others, agents.
    """
    workers = max(1, machine.processors - 1)
    by_processor = workers * _sessions_of_processor(traffic, busy)
    memory_bytes = machine.memory_bytes - SYSTEM_BYTES - workers * PROCESS_BYTES
    by_memory = int(memory_bytes / (IDLE_BYTES_PER_SESSION + BUFFER_BYTES_PER_SESSION))
    bound_by = "processor" if by_processor <= by_memory else "memory"
    return Capacity(workers, max(1, min(by_processor, by_memory)), bound_by)


def processors_used(packets_per_second: float) -> float:
    """Return how many processors one relay keeps busy at this rate.

    Between the two rates that were measured it is a line; below them a packet costs what it does at the lower, and
    above what it does at the higher, so that it only grows with the rate.
    """
    (low, dear), (high, cheap) = CPU_US_PER_PACKET
    if packets_per_second <= low:
        both = packets_per_second * dear
    elif packets_per_second >= high:
        both = packets_per_second * cheap
    else:
        both = low * dear + (high * cheap - low * dear) * (packets_per_second - low) / (high - low)
    return both * RELAY_SHARE / 1e6


def _sessions_of_processor(traffic: Traffic, busy: float) -> int:
    """Return how many players keep one processor busy for that part of the time, found by halving."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if processors_used(middle) <= busy else (low, middle)
    return int(low / traffic.packets_per_second)
