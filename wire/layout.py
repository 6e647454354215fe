"""Frame layouts as data: how a game cuts its byte stream into frames.

A layout is made by a game pack, travels to the edges inside the policy and drives the scanner. It covers
every protocol with a length field of fixed width and place, and protocols without any framing.
"""

from dataclasses import dataclass

from wire.errors import LayoutError

MAX_FRAME_BYTES = 1 << 20
"""No layout may allow longer frames: a scanner keeps one unfinished frame per connection in memory."""

MAX_BARE_LENGTHS = 8
"""Bound on how many exceptional short lengths a layout may list."""


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Where the length of a frame stands and which lengths are legal.

    ``length_width_bytes`` 0 means no framing: every chunk is a frame. Otherwise the unsigned length field
    stands ``length_offset_bytes`` after the frame's first byte, and its value plus ``length_adjust_bytes``
    is the length of the whole frame. Legal lengths are those of ``bare_frame_bytes`` (frames that end
    before the usual header does, such as a keep-alive) and all from ``min_frame_bytes`` to
    ``max_frame_bytes``, both included.

    Raises LayoutError when the parts contradict each other.
    """

    length_offset_bytes: int = 0
    length_width_bytes: int = 2
    little_endian: bool = False
    length_adjust_bytes: int = 0
    min_frame_bytes: int = 2
    max_frame_bytes: int = 65535
    bare_frame_bytes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.length_width_bytes not in (0, 1, 2, 4):
            raise LayoutError(f"length field of {self.length_width_bytes} bytes: 0, 1, 2 or 4 are possible")
        if self.length_width_bytes == 0:
            return
        if not 0 <= self.length_offset_bytes <= 64:
            raise LayoutError(f"length field at offset {self.length_offset_bytes}: 0 to 64 are possible")
        if not -MAX_FRAME_BYTES <= self.length_adjust_bytes <= MAX_FRAME_BYTES:
            raise LayoutError(f"length adjustment of {self.length_adjust_bytes} bytes: at most ±{MAX_FRAME_BYTES}")
        if len(self.bare_frame_bytes) > MAX_BARE_LENGTHS:
            raise LayoutError(f"{len(self.bare_frame_bytes)} bare frame lengths: at most {MAX_BARE_LENGTHS}")
        if max(self.bare_frame_bytes, default=0) > self.max_frame_bytes:
            raise LayoutError(f"bare frames of {max(self.bare_frame_bytes)} bytes are over the limit of all frames")
        shortest = min((self.min_frame_bytes, *self.bare_frame_bytes))
        if shortest < self.header_bytes:
            raise LayoutError(
                f"a frame of {shortest} bytes ends before its length field does ({self.header_bytes} bytes)",
            )
        if not self.min_frame_bytes <= self.max_frame_bytes <= MAX_FRAME_BYTES:
            raise LayoutError(
                f"frames of {self.min_frame_bytes} to {self.max_frame_bytes} bytes: "
                f"the limit must lie between the minimum and {MAX_FRAME_BYTES}",
            )

    @property
    def header_bytes(self) -> int:
        """How many bytes of a frame must be there before its length is known."""
        return self.length_offset_bytes + self.length_width_bytes

    @property
    def is_framed(self) -> bool:
        """Whether there is any framing at all."""
        return self.length_width_bytes != 0

    def allows(self, length_bytes: int) -> bool:
        """Whether a whole frame may be ``length_bytes`` long."""
        return self.min_frame_bytes <= length_bytes <= self.max_frame_bytes or length_bytes in self.bare_frame_bytes

    def describe_limits(self) -> str:
        """Say in words which lengths are legal, for the reason of a refusal."""
        bare = "".join(f"{length} or " for length in self.bare_frame_bytes)
        return f"{bare}{self.min_frame_bytes} to {self.max_frame_bytes} bytes are allowed"


RAW = FrameLayout(length_width_bytes=0)
"""No framing: any TCP program."""
