"""The numbers of the scripted server and its players, each with where it is from.

Section numbers are those of the protocol file. Values are checked once, here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from games.pko.bounds import MAX_PATH_POINTS
from wire.errors import MisuseError

CLIENT_VERSION = 136
"""What the real client of the recorded frames says (section 4.1)."""

MAP_SIDE_CM = 409_600
"""Largest maps (section 4.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOptions:
    """How the scripted server behaves. ``refused_accounts`` maps an account to its error number (3.6)."""

    client_version: int = CLIENT_VERSION
    refused_accounts: Mapping[bytes, int] = field(default_factory=dict)
    max_connections: int = 10_000  # GroupServer arrays hold 10240 (section 6)
    max_characters: int = 3  # one comes with the account, two more can be made
    sight_cm: int = 3000
    sight_group: int = 5
    ping_interval_seconds: float = 20.0  # section 4.5
    keep_alive_seconds: float = 2.0  # section 1.3
    silence_seconds: float = 60.0  # section 1.3, gate to client
    login_seconds: float = 8.0  # section 4b, DK
    refusal_hangup_seconds: float = 0.1  # section 4.1, row 931
    logout_hangup_seconds: float = 0.065  # section 4.1, row 432

    def __post_init__(self) -> None:
        if not 2000 <= self.sight_cm <= 50_000:
            raise MisuseError(f"sight of {self.sight_cm} cm: 2000 to 50000 are possible")
        if not 1 <= self.sight_group <= 1000:
            raise MisuseError(f"{self.sight_group} characters in one place: 1 to 1000 are possible")
        if self.max_connections < 1:
            raise MisuseError(f"{self.max_connections} connections at most: 1 or more are possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerOptions:
    """What one scripted player does, and how long it waits.

    ``seed`` decides its walk and when in an interval it acts. A burst is ``burst_moves`` moves at once; the
    rate stays ``moves_per_second``. ``chat_seconds`` 0 means it never speaks.
    """

    account: bytes
    seed: int = 0
    play_seconds: float = 15.0
    moves_per_second: float = 2.0
    burst_moves: int = 1
    min_move_interval_seconds: float = 0.3  # a real client clicks no faster (section 6); 0 for benchmarks
    path_points: int = 2  # a move's frame is 19 + 8 bytes per point
    walk_range_cm: int = 300
    chat_seconds: float = 3.0
    chat_bytes: int = 24
    max_unanswered: int = 256  # a player whose echoes stay away stops moving until some come
    version: int = CLIENT_VERSION
    keep_alive_seconds: float = 2.0  # section 1.3
    silence_seconds: float = 30.0  # section 1.3, client default
    answer_seconds: float = 15.0  # for each step of logging in, and for the last echoes
    logout_seconds: float = 3.0  # the limit of the logout call (section 1.5)

    def __post_init__(self) -> None:
        if not 1 <= self.path_points <= MAX_PATH_POINTS:
            raise MisuseError(f"paths of {self.path_points} points: 1 to {MAX_PATH_POINTS} are possible")
        if not 0 <= self.moves_per_second <= 1000:
            raise MisuseError(f"{self.moves_per_second} moves a second: 0 to 1000 are possible")
        if not 1 <= self.burst_moves <= self.max_unanswered:
            raise MisuseError(f"bursts of {self.burst_moves} moves: 1 to {self.max_unanswered} are possible")
        if not 12 <= self.chat_bytes <= 200:
            raise MisuseError(f"chat of {self.chat_bytes} bytes: 12 to 200 are possible")
        if self.chat_seconds < 0 or self.play_seconds < 0:
            raise MisuseError("chat_seconds and play_seconds must not be negative")

    @property
    def burst_interval_seconds(self) -> float:
        """From one burst to the next; infinite for a player that stands still."""
        if not self.moves_per_second:
            return float("inf")
        return max(self.burst_moves / self.moves_per_second, self.min_move_interval_seconds)
