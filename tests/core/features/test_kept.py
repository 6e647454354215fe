"""What features keep: values there and back, what cannot be kept, and whose a value is."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features import Feature, Fleet, PerAccount, PerCharacter, PerSession, Scratch
from core.features.kept import MAX_KEPT_BYTES, Kept, KeptError, name_key
from core.features.kit import Kit


@dataclass(frozen=True)
class Part:
    name: str = ""
    number: int = 0


@dataclass(frozen=True)
class Whole:
    text: str = ""
    number: int = 0
    share: float = 0.0
    is_so: bool = False
    words: tuple[str, ...] = ()
    part: Part = Part()
    maybe: int | None = None


def kept(cls: type[Any] = Whole, **options: Any) -> Kept[Any, Any]:
    made: Kept[Any, Any] = PerAccount(cls, **options)
    made.name = "kept"
    return made


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WHOLES = st.builds(
    Whole,
    TEXTS,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.builds(Part, TEXTS, st.integers(-5, 5)),
    st.none() | st.integers(0, 9),
)


@given(WHOLES)
def test_a_value_comes_back(value: Whole) -> None:
    assert kept().decode(kept().encode(value)) == value


@dataclass(frozen=True)
class Bytes:
    raw: bytes = b""


@pytest.mark.parametrize(
    "value",
    [
        Whole(share=math.inf),
        Whole(share=math.nan),
        Whole(text="\udcff"),
        Whole(number="many"),  # type: ignore[arg-type]
        Whole(text=None),  # type: ignore[arg-type]
        Whole(words=(1, 2)),  # type: ignore[arg-type]
        Whole(number=2**70),
        Bytes(b"\xff\xfe"),
        Bytes(b"plain"),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_does_not_come_back_the_same_is_refused_when_it_is_kept(value: Any) -> None:
    """And not found out at the next login, when it is lost. A mute for ever is until infinity, a name may be bytes."""
    cell = kept(type(value))
    try:
        raw = cell.encode(value)
    except KeptError:
        return
    assert cell.decode(raw) == value


@pytest.mark.parametrize("value", [None, 5, Part(), {"text": "x"}, Whole])
def test_what_is_no_value_of_the_class_is_refused(value: Any) -> None:
    with pytest.raises(KeptError, match="keeps Whole"):
        kept().encode(value)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(KeptError, match=f"at most {MAX_KEPT_BYTES}"):
        kept().encode(Whole(text="x" * MAX_KEPT_BYTES))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"junk",
        b"[]",
        b"{}",
        b'{"version":1}',
        b'{"version":null,"value":{}}',
        b'{"version":"x","value":{}}',
        b'{"version":1,"value":5}',
        b'{"version":1,"value":{"number":"many"}}',
        b'{"version":2,"value":{}}',
        b"\xff",
        b'{"version":1,"value":' + b"[" * 5000,
    ],
    ids=lambda raw: raw[:30],
)
def test_junk_in_the_store_is_told_and_not_believed(raw: bytes) -> None:
    with pytest.raises(KeptError):
        kept().decode(raw)


def test_unknown_fields_are_dropped_and_missing_ones_have_their_default() -> None:
    assert kept().decode(b'{"version":1,"value":{"number":5,"gone":1}}') == Whole(number=5)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError(), ValueError(), AttributeError(), ZeroDivisionError()])
def test_a_migration_that_fails_is_told(error: Exception) -> None:
    def migrate(version: int, old: dict[str, Any]) -> dict[str, Any]:
        raise error

    with pytest.raises(KeptError):
        kept(version=2, migrate=migrate).decode(b'{"version":1,"value":{}}')


def test_a_migration_gets_the_old_and_gives_the_new() -> None:
    cell = kept(version=3, migrate=lambda version, old: {"number": old["n"] + version})
    assert cell.decode(b'{"version":1,"value":{"n":5}}') == Whole(number=6)
    assert cell.decode(cell.encode(Whole(number=9))) == Whole(number=9)


class Plain:
    pass


@dataclass
class Changing:
    number: int = 0


@dataclass(frozen=True)
class Required:
    number: int


@dataclass(frozen=True)
class WithList:
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WithDict:
    names: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (Plain, "no dataclass"),
        (int, "no dataclass"),
        (Changing, "can be changed in place"),
        (Required, "Required.number has no default"),
        (WithList, "names"),
        (WithDict, "names"),
    ],
)
def test_a_class_that_cannot_be_kept_is_refused_where_it_is_declared(cls: type, reason: str) -> None:
    """A list in a default is one list for all players, and what is appended to it is kept for nobody."""
    for scope in (PerAccount, PerCharacter, PerSession, Fleet):
        with pytest.raises(KeptError, match=reason):
            scope(cls)


# Names.


@given(st.binary(max_size=40))
def test_a_name_as_a_key_is_plain_and_tells_names_apart(name: bytes) -> None:
    key = name_key(name)
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert ":" not in key
    assert len(key) <= 3 * len(name)
    if key != name_key(name + b"x")[: len(key)]:
        pytest.fail("a longer name does not begin with the shorter one's key")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b"Anna", b"anna", True),
        ("Anna", b"aNNA", True),
        (b"a:b", b"a%3ab", False),
        (b"a b", b"a_b", False),
        (b"a\0", b"a", False),
        ("größe", "größe".encode(), True),
        # In GBK the second byte of a letter may be an ASCII capital: these are two names.
        ("丂".encode("gbk"), bytes([0x81, 0x40]), True),
        (bytes([0xC4, 0x41]), bytes([0xC4, 0x61]), False),
    ],
)
def test_capitals_are_one_name_and_others_are_not(one: str | bytes, other: str | bytes, is_same: bool) -> None:
    assert (name_key(one) == name_key(other)) == is_same


# In a feature.


class Keeping(Feature):
    account = PerAccount(Part)
    character = PerCharacter(Part)
    own = PerSession(Part)
    all = Fleet(Part)
    scratch = Scratch(list[int])


def test_a_value_is_his_whose_it_is() -> None:
    kit = Kit(Keeping)
    one, two = kit.player(account="one", character="One"), kit.player(account="two", character="Two")
    feature = kit.feature
    for cells in (feature.account, feature.character, feature.own):
        cells[one.session] = Part("one")
        assert cells[one.session] == Part("one")
        assert cells[two.session] == Part()
        del cells[one.session]
        assert cells[one.session] == Part()
    feature.scratch[one.session].append(1)
    assert feature.scratch[two.session] == []


def test_nothing_is_kept_for_nobody() -> None:
    kit = Kit(Keeping)
    player = kit.player(in_game=False)
    assert kit.feature.account[player.session] == Part()
    del kit.feature.account[player.session]
    with pytest.raises(KeptError, match="has no account yet"):
        kit.feature.account[player.session] = Part()
    with pytest.raises(KeptError, match="has no character yet"):
        kit.feature.character[player.session] = Part()
    kit.feature.own[player.session] = Part("early")
    assert kit.feature.own[player.session] == Part("early")


def test_a_value_is_decoded_once() -> None:
    kit = Kit(Keeping)
    player = kit.player()
    kit.feature.account[player.session] = Part("x")
    assert kit.feature.account[player.session] is kit.feature.account[player.session]


def test_what_is_kept_for_somebody_who_is_away_takes_no_room_here() -> None:
    kit = Kit(Keeping)
    for number in range(50):
        kit.feature.account.keep_for(f"away{number}", Part("x", number))
    assert len(kit.feature.account._decoded) == 0
    player = kit.player(account="away7")
    assert kit.feature.account[player.session] == Part("x", 7)


def test_players_of_the_kit_are_told_apart() -> None:
    """Also when one has left before the next comes."""
    kit = Kit(Keeping)
    one, two = kit.player(account="one"), kit.player(account="two")
    one.leave()
    three = kit.player(account="three")
    assert three.session.id != two.session.id
    assert len(list(kit.crowd.here)) == 2
