"""Writing TOML: whatever a value holds, it reads back."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings_toml import write_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
SCALARS = st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)


NAMES = st.sampled_from(["game", "edge", "core", "log"])
VALUE_OF_A_KEY = SCALARS | st.lists(VALUES, max_size=4)


@given(st.dictionaries(NAMES, st.dictionaries(TEXT, VALUE_OF_A_KEY, max_size=6)))
def test_reads_back(sections: dict[str, dict[str, object]]) -> None:
    assert tomllib.loads(write_toml(sections, {})) == sections


def test_a_table_inside_a_section_stands_behind_it() -> None:
    text = write_toml({"game": {"framing": {"a b": 1}, "name": "x"}}, {"game.framing.a b": "flag"})

    assert text == '[game]\nname = "x"  # default\n\n[game.framing]\n"a b" = 1  # flag\n'
