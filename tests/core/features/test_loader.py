"""Loading one feature: its module, its class, its settings; what is wrong is said with the place."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from core.features import Feature, PerAccount, Settings
from core.features.errors import FeatureError, Place
from core.features.loader import Source, builtin_names, load_class, make_feature, read_settings, unload
from tests.core.features.road import PACK, loaded_of
from tests.core.features.test_kit import Tally

CODEC = PACK.codec("classic")
GOOD = "from core.features import Feature\nclass One(Feature):\n    pass\n"


def source_of(folder: Path, text: str | bytes, name: str = "mine") -> Source:
    file = folder / f"{name}.py"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Source(name, file, {}, Place(f"{folder}/features.toml [{name}]"))


WRONG_FILES: dict[str, tuple[str | bytes, int, str]] = {
    "nothing": ("", 0, "this one has none"),
    "no class": ("x = 1\n", 0, "this one has none"),
    "two": (GOOD + "class Two(Feature):\n    pass\n", 0, "this one has One, Two"),
    "only an imported one": ("from core.features import Feature\n", 0, "this one has none"),
    "broken syntax": ("x = 1\ny = (\n", 2, "never closed"),
    "an indent": (GOOD + "  x\n", 4, "indent"),
    "no text": (b"\xff\xfe", 0, "utf-8"),
    "zeros": (b"x = 1\n\x00\n", 0, "null"),
    "too deep": ("x = " + "(" * 500, 0, "nested"),
    "a module that is not there": ("import os\nimport nowhere_to_be_found\n", 2, "install it beside the relay"),
    "a name that is not there": ("from core.features import Feeture\n", 1, "Feeture"),
    "a mistake": ("x = 1\n\nx / 0\n", 3, "ZeroDivisionError"),
    "a mistake in a function": ("def f():\n    1 / 0\nf()\n", 2, "ZeroDivisionError"),
    "an exit": ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
    "somebody else's syntax": ("import ast\n\n\nast.parse('1\\n2\\n3\\n4\\n(')\n", 4, "SyntaxError"),
}


@pytest.mark.parametrize(("text", "line", "reason"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_refused_with_the_line(tmp_path: Path, text: str | bytes, line: int, reason: str) -> None:
    source = source_of(tmp_path, text)
    before = set(sys.modules)
    with pytest.raises(FeatureError, match=reason) as caught:
        load_class(source)
    place = caught.value.place
    assert place.file == str(source.file)
    if line:
        assert place.line == line
    left = {name for name in set(sys.modules) - before if name.startswith("tidegate_feature_mine")}
    assert not left or reason.startswith("this one"), "a module that is of no use stays"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"mine\.py"):
        load_class(Source("mine", tmp_path / "mine.py", {}, Place("x")))


@pytest.mark.parametrize(
    "extra", ["Two = One\n", "from core.features.api import Feature as F\n"], ids=["alias", "base"]
)
def test_another_name_for_the_same_class_is_no_second_one(tmp_path: Path, extra: str) -> None:
    assert load_class(source_of(tmp_path, GOOD + extra)).__name__ == "One"


def test_each_load_is_a_module_of_its_own(tmp_path: Path) -> None:
    source = source_of(tmp_path, GOOD)
    first, second = load_class(source), load_class(source)
    assert first is not second
    assert first.__module__ != second.__module__
    assert {first.__module__, second.__module__} <= set(sys.modules)
    for cls in (first, second):
        unload(make_feature(source, cls, CODEC, "pko"))
    assert not {first.__module__, second.__module__} & set(sys.modules)


def test_what_stands_in_the_file_is_loaded_however_quickly_it_changed(tmp_path: Path) -> None:
    """Python's own cache goes by whole seconds and sizes."""
    values = []
    for value in (1, 2, 3):
        cls = load_class(source_of(tmp_path, GOOD.replace("pass", f"value = {value}")))
        values.append(vars(cls)["value"])
    assert values == [1, 2, 3]


@pytest.mark.parametrize("error", [LookupError("no"), SystemExit(3)])
def test_a_feature_that_cannot_be_made_is_refused(error: BaseException) -> None:
    class Unmade(Feature):
        def __init__(self) -> None:
            raise error

    with pytest.raises(FeatureError, match="cannot be made") as caught:
        loaded_of(Unmade)
    assert caught.value.place.file == __file__
    assert caught.value.place.line > 0


def test_state_cannot_be_used_while_the_feature_is_made() -> None:
    class Early(Feature):
        tally = PerAccount(Tally)

        def __init__(self) -> None:
            self.tally.keep_for("anna", Tally())

    with pytest.raises(FeatureError, match="from `started` on"):
        loaded_of(Early)


class SomeSettings(Settings):
    words: list[str]
    seconds: float = Field(1.0, gt=0)
    mode: str = "soft"


PLACE = Place("features.toml [mine]")


def test_settings_are_checked_and_frozen() -> None:
    found = read_settings(SomeSettings, {"words": ["a"], "seconds": 2}, PLACE)
    assert found == SomeSettings(words=["a"], seconds=2.0)
    with pytest.raises(ValueError, match="frozen"):
        found.mode = "hard"


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({}, ["words: Field required"]),
        ({"words": "a"}, ["words: Input should be a valid array"]),
        ({"words": [1]}, ["words.0: Input should be a valid string"]),
        ({"words": [], "seconds": 0}, ["seconds: Input should be greater than 0"]),
        ({"words": [], "seconds": "1"}, ["seconds: Input should be a valid number"]),
        ({"words": [], "wrods": []}, ["wrods: is no setting of it; it has: words, seconds, mode"]),
        ({"words": 1, "seconds": -1, "x": 1}, ["words: ", "seconds: ", "x: is no setting"]),
    ],
)
def test_all_mistakes_of_settings_are_said_at_once(given: dict[str, Any], texts: list[str]) -> None:
    with pytest.raises(FeatureError) as caught:
        read_settings(SomeSettings, given, PLACE)
    assert str(caught.value).startswith("features.toml [mine]: ")
    assert all(text in str(caught.value) for text in texts)


def test_settings_that_nobody_asked_for_are_refused() -> None:
    with pytest.raises(FeatureError, match="x: is no setting of it; it has: none"):
        read_settings(Settings, {"x": 1}, PLACE)


def test_there_are_built_in_features_and_they_load() -> None:
    for name in builtin_names():
        cls = load_class(Source(name, None, {}, PLACE))
        assert cls.__module__ == f"core.features.builtin.{name}"
