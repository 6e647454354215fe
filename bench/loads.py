"""The loads: how many sessions send how much. Read by `bench.run`; `bench.floors` names some of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One load. Each session sends at a steady rate, or keeps frames under way, or is idle.

    ``contestants`` limits who is measured; empty means everyone. Where it ``is_pinned``, each process has its
    processor: with more busy processes than processors, the system leaves one of them idle while two processes wait
    for the other, and who is hit by that is luck. A round has so many ``starts``, each measured for a part of the
    round's time: where processors are all that counts, a start is worth 15 % more or less than the next by where in
    memory things lie.
    """

    name: str
    title: str
    sessions: int
    frames_per_second: float = 0.0
    frames_in_flight: int = 0
    frame_bytes: int = 64
    is_mix: bool = False  # a player's packets, one in four a move, instead of nothing but texts
    is_quick: bool = False
    is_pinned: bool = False
    starts: int = 1
    contestants: tuple[str, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is sent, so that what remains to be measured is memory."""
        return not self.frames_per_second and not self.frames_in_flight


MIX_FRAME_BYTES = 67
"""The length of a mix's frames, as bench/load/frames.h has it."""

_HELD_BY_FLOORS = ("tidegate", "haproxy")
"""Who is measured with ten thousand sessions: connecting them takes longer than all else."""

LOADS = (
    Load("1000x10", "1000 sessions × 10/s, 64 B", 1000, frames_per_second=10, is_quick=True),
    Load("1000x20", "1000 sessions × 20/s, 64 B", 1000, frames_per_second=20),
    Load("1000x20-512", "1000 sessions × 20/s, 512 B", 1000, frames_per_second=20, frame_bytes=512),
    Load("4000x5", "4000 sessions × 5/s, 64 B", 4000, frames_per_second=5),
    Load(
        "mix-1000x10",
        "1000 sessions × 10/s, a player's mix, 67 B",
        1000,
        frames_per_second=10,
        frame_bytes=MIX_FRAME_BYTES,
        is_mix=True,
        is_quick=True,
        contestants=("tidegate", "tidegate-features"),
    ),
    Load(
        "mix-1000x3",
        "1000 sessions × 3/s, a player's mix, 67 B",
        1000,
        frames_per_second=3,
        frame_bytes=MIX_FRAME_BYTES,
        is_mix=True,
        contestants=("tidegate", "tidegate-features"),
    ),
    Load(
        "flight",
        "500 sessions, 8 in flight, flat out, 64 B",
        500,
        frames_in_flight=8,
        is_quick=True,
        is_pinned=True,
        starts=3,
    ),
    Load(
        "flight-512",
        "500 sessions, 8 in flight, flat out, 512 B",
        500,
        frames_in_flight=8,
        frame_bytes=512,
        is_pinned=True,
    ),
    Load("quiet", "10 sessions × 10/s, 64 B", 10, frames_per_second=10, is_quick=True),
    Load("idle", "10,000 idle sessions", 10_000, contestants=_HELD_BY_FLOORS),
    Load("10000x1", "10,000 sessions × 1/s, 64 B", 10_000, frames_per_second=1, contestants=_HELD_BY_FLOORS),
)

LOADS_BY_NAME = {load.name: load for load in LOADS}
