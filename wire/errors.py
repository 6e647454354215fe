"""The error tree: whose fault something is decides where it is reported.

::

    TidegateError              everything this project raises on purpose
    ├── PeerFault              bytes from outside broke a rule; a counter and a reason, never a traceback
    │   ├── FrameFault         a length that the game's frame layout forbids
    │   ├── PacketFault        a frame whose body is not what its opcode promises
    │   └── TunnelFault        an edge or a core broke the tunnel's contract
    └── MisuseError            our own code or configuration is wrong
        ├── LayoutError        a frame layout that cannot be
        └── EncodeError        a packet that its own field types forbid

Each class carries a stable ``code``: the metric label and the reason a session is closed with.
"""


class TidegateError(Exception):
    """Base of all errors raised on purpose; ``code`` is stable, the text is for people."""

    code = "error"


class PeerFault(TidegateError):  # noqa: N818 - a fault is the word for what a peer does; the tree says so
    """A peer sent bytes that no honest peer sends."""

    code = "peer_fault"


class FrameFault(PeerFault):
    """A frame length that the layout forbids.

    ``length_bytes`` is the length of the whole frame as announced, ``stream_offset_bytes`` where that
    frame begins, counted from the first byte of the stream.
    """

    code = "frame_length"

    def __init__(self, rule: str, *, length_bytes: int, stream_offset_bytes: int) -> None:
        super().__init__(
            f"frame of {length_bytes} bytes at stream offset {stream_offset_bytes}: {rule}",
        )
        self.rule = rule
        self.length_bytes = length_bytes
        self.stream_offset_bytes = stream_offset_bytes


class PacketFault(PeerFault):
    """A frame body that does not fit its opcode; ``field`` and ``offset_bytes`` (in the body) say where."""

    code = "malformed_packet"

    def __init__(self, rule: str, *, field: str = "", offset_bytes: int = 0) -> None:
        place = f"{field} at offset {offset_bytes}: " if field else ""
        super().__init__(f"{place}{rule}")
        self.rule = rule
        self.field = field
        self.offset_bytes = offset_bytes


class TunnelFault(PeerFault):
    """The other end of a tunnel broke its contract; the tunnel is closed with this text."""

    code = "tunnel_fault"


class MisuseError(TidegateError, ValueError):
    """Our own code or settings ask for something impossible."""

    code = "misuse"


class LayoutError(MisuseError):
    """A frame layout that contradicts itself."""

    code = "layout"


class EncodeError(MisuseError):
    """A packet whose values its own field types forbid."""

    code = "encode"
