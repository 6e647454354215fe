"""Properties of all packets: any bytes give a packet or a fault; any packet survives the way there and back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from games.pack import Codec
from games.packet import Direction, Packet
from games.pko import PACKETS
from games.registry import load_pack
from tests.games.strategies import packets_of
from wire.errors import PacketFault

PACK = load_pack("pko")
CODECS = [PACK.codec(name) for name in PACK.dialects]

CLASSES = st.sampled_from(PACKETS)
ANY_PACKET = CLASSES.flatmap(packets_of)


def decode_exactly_or_refuse(cls: type[Packet], body: bytes) -> None:
    """Hold that a body is refused as a fault or read so that nothing of it is lost."""
    try:
        packet = cls.decode(body)
    except PacketFault:
        return
    assert packet.encode() == body


@given(cls=CLASSES, body=st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_body_gives_a_packet_that_encodes_to_it_or_a_fault(cls: type[Packet], body: bytes) -> None:
    decode_exactly_or_refuse(cls, body)


@given(packet=ANY_PACKET)
@settings(max_examples=500, deadline=None)
def test_any_packet_decodes_to_itself(packet: Packet) -> None:
    body = packet.encode()
    assert type(packet).decode(body) == packet
    assert type(packet).MIN_BYTES <= len(body) <= type(packet).MAX_BYTES


@given(packet=ANY_PACKET, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_body_gives_a_packet_that_encodes_to_it_or_a_fault(packet: Packet, data: st.DataObject) -> None:
    body = bytearray(packet.encode())
    if body:
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    decode_exactly_or_refuse(type(packet), bytes(body))


@given(codec=st.sampled_from(CODECS), frame=st.binary(max_size=100), direction=st.sampled_from(Direction))
@settings(max_examples=300, deadline=None)
def test_any_frame_opens_and_decodes_or_is_a_fault(codec: Codec, frame: bytes, direction: Direction) -> None:
    try:
        opened = codec.open(direction, frame)
        codec.decode(direction, opened)
    except PacketFault:
        return


@given(codec=st.sampled_from(CODECS), packet=ANY_PACKET, counter=st.integers(0, 0xFFFFFFFF))
@settings(max_examples=300, deadline=None)
def test_a_sealed_packet_decodes_to_its_own_bytes_in_each_dialect(codec: Codec, packet: Packet, counter: int) -> None:
    has_counter = codec.dialect.envelope(packet.DIRECTION).counter_bytes > 0
    frame = codec.seal(packet, counter=counter if has_counter else None)
    opened = codec.open(packet.DIRECTION, frame)
    assert opened.body == packet.encode()
    if type(packet) in codec.classes(packet.DIRECTION, packet.OPCODE) and not _has_a_sibling(packet):
        assert codec.decode(packet.DIRECTION, opened) == packet


def _has_a_sibling(packet: Packet) -> bool:
    """Whether another class of the opcode may take this body: an untagged one beside tagged ones."""
    return packet.TAG is None and any(
        cls.TAG is not None and cls.TAG.matches(packet.encode())
        for cls in PACKETS
        if (cls.DIRECTION, cls.OPCODE) == (packet.DIRECTION, packet.OPCODE)
    )
