"""Packet classes as layout programs: the same bodies fit that the class decodes."""

from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import composites, fields
from games.characters import ACCOUNT
from games.fields import U8, U16, Field, Int
from games.packet import Direction, Packet, Record, packet, record
from games.pko import PACKETS
from games.pko.ping import PING_MEMORY, PingReply
from games.program import steps_of
from games.texts import String
from tests.games.strategies import packets_of
from wire.errors import LayoutError, PacketFault
from wire.program import Program
from wire.steps import MEMORIES, Operation, Step, check_steps


@record
class Pair(Record):
    left: U8
    right: Annotated[int, Int(2, little_endian=True, high=900, denied=((5, 9),))]


def steps_of_field(field: Field, *before: tuple[str, Field]) -> tuple[Step, ...]:
    """Return the steps of a record that has this field last."""
    made: Any = type("Made", (Record,), {"FIELDS": (*before, ("it", field)), "__slots__": ()})
    return steps_of(made)[len(before) :]


PAIR = (
    Step(operation=Operation.INT, name="left", width=1, high=255),
    Step(operation=Operation.INT, name="right", width=2, little_endian=True, high=900, ranges=((5, 9),)),
)

ROWS: list[tuple[Field, tuple[Step, ...]]] = [
    (Int(4, signed=True, low=-2), (Step(operation=Operation.INT, name="it", width=4, signed=True, low=-2,
                                        high=0x7FFFFFFF),)),
    (String(9), (Step(operation=Operation.TEXT, name="it", high=9),)),
    (
        String(9, low_bytes=1, characters=ACCOUNT, phrases=(b"--",), secret=True, capture="account"),
        (Step(operation=Operation.TEXT, name="it", low=1, high=9, characters=ACCOUNT.table, phrases=(b"--",),
              secret=True, capture="account"),),
    ),
    (fields.Sequence(9), (Step(operation=Operation.SEQUENCE, name="it", high=9),)),
    (fields.Sequence(9, exact_bytes=4, secret=True), (Step(operation=Operation.SEQUENCE, name="it", low=4, high=4,
                                                           secret=True),)),
    (fields.Raw(3), (Step(operation=Operation.RAW, name="it", low=3, high=3),)),
    (fields.Float(), (Step(operation=Operation.RAW, name="it", low=4, high=4),)),
    (fields.SplitInt64(), (Step(operation=Operation.RAW, name="it", low=8, high=8),)),
    (fields.Rest(7), (Step(operation=Operation.REST, name="it", high=7),)),
    (composites.Struct(Pair), PAIR),
    (
        composites.Repeat(Int(2, low=1, high=3), composites.Struct(Pair)),
        (Step(operation=Operation.REPEAT, name="it", width=2, low=1, high=3, steps=2), *PAIR),
    ),
    (
        composites.Array(3, Int(1)),
        (Step(operation=Operation.REPEAT, name="it", low=3, high=3, steps=1),
         Step(operation=Operation.INT, name="it", width=1, high=255)),
    ),
    (
        composites.Packed(Pair, 1, 2),
        (Step(operation=Operation.PACKED, name="it", width=3, low=1, high=2, steps=2), *PAIR),
    ),
    (
        composites.Packed(Pair, 0, 2, measured=True),
        (Step(operation=Operation.PACKED, name="it", width=3, high=2, steps=2, measured=True), *PAIR),
    ),
    (
        composites.Tail(composites.Struct(Pair)),
        (Step(operation=Operation.TAIL, name="it", steps=2), *PAIR),
    ),
    (
        composites.Remembered(1, composites.Array(5, Int(4))),
        (Step(operation=Operation.MEMORY, name="it", register=1),),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("field", "steps"), ROWS, ids=lambda value: type(value).__name__)
def test_row(field: Field, steps: tuple[Step, ...]) -> None:
    assert steps_of_field(field) == steps


@pytest.mark.parametrize(("presence", "inverted"), [(composites.When, False), (composites.Unless, True)])
def test_a_field_that_another_asks_about_gets_a_register(
    presence: type[composites.When | composites.Unless], inverted: bool
) -> None:
    @record
    class Made(Record):
        first: U8
        kind: Annotated[int, Int(2, signed=True)]
        there: Annotated[int | None, presence("kind", frozenset({-2, 4, 5, 6, 9}), Int(1))]
        too: Annotated[int | None, presence("first", frozenset({1}), Int(1))]

    first, second, when, _, other, _ = steps_of(Made)
    assert (first.register, second.register) == (0, 1)
    assert when == Step(
        operation=Operation.WHEN,
        name="there",
        register=1,
        ranges=((-2, -2), (4, 6), (9, 9)),
        inverted=inverted,
        steps=1,
    )
    assert (other.register, other.ranges) == (0, ((1, 1),))


class Unknown:
    """A field type of somebody else."""

    min_bytes = max_bytes = 1

    def read(self, reader: object, earlier: object) -> Any:
        raise NotImplementedError

    def write(self, out: bytearray, value: Any, earlier: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("fields_before", "field", "reason"),
    [
        ((), Unknown(), "no step reads a field of type Unknown"),
        ((), composites.When("kind", frozenset({1}), Int(1)), "there is no field kind before it"),
        ((("kind", String(3)),), composites.When("kind", frozenset({1}), Int(1)), "can hang on an integer only"),
        ((), composites.Repeat(Int(1, signed=True), Int(1)), "a count has no sign"),
        ((), composites.Repeat(Int(1, denied=((1, 1),)), Int(1)), "and no gaps"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_step_can_say(fields_before: tuple[tuple[str, Field], ...], field: Field, reason: str) -> None:
    with pytest.raises(LayoutError, match=reason):
        steps_of_field(field, *fields_before)


def test_registers_are_bounded() -> None:
    many = tuple((f"kind{number}", Int(1)) for number in range(9))
    asking = tuple((f"it{number}", composites.When(f"kind{number}", frozenset({1}), Int(1))) for number in range(9))
    with pytest.raises(LayoutError, match="at most 8 fields can decide"):
        steps_of_field(Int(1), *many, *asking)


@packet(1, Direction.SERVERBOUND)
class Everything(Packet):
    """All kinds of fields at once, for the properties."""

    kind: Annotated[int, Int(1, high=3)]
    names: Annotated[tuple[bytes, ...], composites.Repeat(Int(1, high=3), String(4, characters=ACCOUNT))]
    pairs: Annotated[tuple[Pair, ...], composites.Packed(Pair, 1, 3)]
    number: Annotated[int | None, composites.When("kind", frozenset({1, 2}), Int(2, signed=True, low=-3))]
    text: Annotated[bytes | None, composites.Unless("kind", frozenset({2}), String(5, phrases=(b"ab",)))]
    raw: Annotated[bytes, fields.Raw(2)]
    words: U16
    tail: Annotated[Pair | None, composites.Tail(composites.Struct(Pair))]


CLASSES: tuple[type[Packet], ...] = (Everything, *PACKETS)
PROGRAMS = {cls: Program(steps_of(cls)) for cls in CLASSES}


def fits(cls: type[Packet], body: bytes, memory: bytes = b"") -> bool:
    """Run the class's program over a body that stands inside of other bytes."""
    memories = [b""] * MEMORIES
    memories[PING_MEMORY] = memory
    return PROGRAMS[cls].run(b"\x80" + body + b"\x80", 1, 1 + len(body), memories) == -1


def decodes(cls: type[Packet], body: bytes) -> bool:
    try:
        cls.decode(body)
    except PacketFault:
        return False
    return True


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_program_knows_the_sizes_of_its_class(cls: type[Packet]) -> None:
    if cls is not PingReply:  # a memory's size is known where the memory is filled
        assert check_steps(steps_of(cls)) == (cls.MIN_BYTES, cls.MAX_BYTES)


ANY_PACKET: st.SearchStrategy[Packet] = st.sampled_from(CLASSES).flatmap(packets_of)


@given(packet=ANY_PACKET)
@settings(max_examples=400)
def test_any_legal_packet_fits(packet: Packet) -> None:
    body = packet.encode()
    assert fits(type(packet), body, memory=body)


@given(packet=ANY_PACKET, data=st.data())
@settings(max_examples=400)
def test_a_damaged_body_fits_if_and_only_if_it_decodes(packet: Packet, data: st.DataObject) -> None:
    cls = type(packet)
    body = damaged(packet.encode(), data)
    expected = decodes(cls, body)
    if cls is PingReply:
        expected = body == packet.encode()
    assert fits(cls, body, memory=packet.encode()) == expected


@given(cls=st.sampled_from([cls for cls in CLASSES if cls is not PingReply]), body=st.binary(max_size=64))
@settings(max_examples=400)
def test_any_bytes_fit_if_and_only_if_they_decode(cls: type[Packet], body: bytes) -> None:
    assert fits(cls, body) == decodes(cls, body)


def damaged(body: bytes, data: st.DataObject) -> bytes:
    """Cut a body, lengthen it, or change one of its bytes."""
    changed = bytearray(body)
    match data.draw(st.sampled_from(["cut", "longer", "byte"])):
        case "cut":
            del changed[data.draw(st.integers(0, len(body))) :]
        case "longer":
            changed += data.draw(st.binary(min_size=1, max_size=8))
        case _ if changed:
            changed[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)
