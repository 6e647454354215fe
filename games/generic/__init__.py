"""The generic pack: any game whose frames begin with a length of fixed width, described by settings.

===================  =======  ==========================================================
setting              default  meaning
===================  =======  ==========================================================
length_bytes         2        width of the length field: 1, 2 or 4
order                "big"    byte order of the length field: "big" or "little"
counts_itself        true     whether the length covers the whole frame; otherwise only
                              what follows the length field
offset_bytes         0        where in the frame the length field stands
max_frame_bytes      65535    longest whole frame (or less where the field cannot say it)
===================  =======  ==========================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from games.pack import Pack
from wire.errors import MisuseError
from wire.layout import MAX_FRAME_BYTES, FrameLayout


@dataclass(frozen=True, slots=True)
class Framing:
    """The settings of the table above, checked one by one."""

    length_bytes: int = 2
    order: str = "big"
    counts_itself: bool = True
    offset_bytes: int = 0
    max_frame_bytes: int = 65535

    def layout(self) -> FrameLayout:
        """Return the frame layout these settings describe; raises LayoutError where they cannot be."""
        header = self.offset_bytes + self.length_bytes
        adjust = 0 if self.counts_itself else header
        longest = (1 << 8 * self.length_bytes) - 1 + adjust
        return FrameLayout(
            length_offset_bytes=self.offset_bytes,
            length_width_bytes=self.length_bytes,
            little_endian=self.order == "little",
            length_adjust_bytes=adjust,
            min_frame_bytes=header,
            max_frame_bytes=min(self.max_frame_bytes, longest),
        )


_WANTED = {
    "length_bytes": "1, 2 or 4",
    "order": '"big" or "little"',
    "counts_itself": "true or false",
    "offset_bytes": "a whole number from 0 to 60",
    "max_frame_bytes": f"a whole number from 8 to {MAX_FRAME_BYTES}",
}


def _is_right(key: str, value: object) -> bool:
    match key, value:
        case "counts_itself", bool():
            return True
        case "order", "big" | "little":
            return True
        case (("length_bytes" | "offset_bytes" | "max_frame_bytes"), bool()):
            return False
        case "length_bytes", 1 | 2 | 4:
            return True
        case "offset_bytes", int(offset):
            return 0 <= offset <= 60
        case "max_frame_bytes", int(limit):
            return 8 <= limit <= MAX_FRAME_BYTES
        case _:
            return False


def read_framing(framing: Mapping[str, Any]) -> Framing:
    """Check settings against the table; raises MisuseError naming every wrong one."""
    mistakes = [
        f"{key}: {value!r} is not {_WANTED[key]}"
        if key in _WANTED
        else f"{key}: no such setting; known are {', '.join(_WANTED)}"
        for key, value in framing.items()
        if not _is_right(key, value)
    ]
    if mistakes:
        raise MisuseError("; ".join(mistakes))
    return Framing(**framing)


def build_pack(framing: Mapping[str, object]) -> Pack:
    """Build the pack from its settings; both directions are framed alike."""
    layout = read_framing(framing).layout()
    return Pack(
        name="generic",
        summary="any game whose frames begin with a length of fixed width, described by settings",
        serverbound=layout,
        clientbound=layout,
    )
