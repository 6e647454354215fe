"""The features folder: what is on, in which order; what is wrong with the settings file; and loading again."""

from pathlib import Path

import pytest

from core.features import folder as folder_module
from core.features.errors import FeatureError
from core.features.folder import MAX_FEATURES, MAX_FILE_BYTES, FeatureFolder
from core.features.loader import builtin_names
from tests.core.features.road import PACK

GOOD = "from core.features import Feature\nclass One(Feature):\n    pass\n"


def folder_of(path: Path, toml: str | bytes = "", **files: str) -> FeatureFolder:
    for name, text in files.items():
        (path / f"{name}.py").write_text(text)
    (path / "features.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return FeatureFolder(path, PACK, PACK.codec("classic"))


def names(folder: FeatureFolder) -> list[str]:
    return [source.name for source in folder.select().sources]


def test_what_is_on_and_in_which_order(tmp_path: Path) -> None:
    toml = 'order = ["zebra", "middle"]\noperators = ["Root"]\n[bear]\nenabled = false\n[apple]\nx = 1\n'
    files = dict.fromkeys(["apple", "bear", "cat", "middle", "zebra", "_part", "test_apple"], GOOD)
    folder = folder_of(tmp_path, toml, **files)
    (tmp_path / "notes.txt").write_text("no feature")
    assert names(folder) == ["zebra", "middle", "apple", "cat"]
    assert folder.select().operators == {"root"}
    assert folder.select().sources[2].settings == {"x": 1}


def test_no_folder_no_features() -> None:
    folder = FeatureFolder(None, PACK, PACK.codec("classic"))
    assert (folder.select().sources, folder.stamp()) == ((), ())


def test_a_folder_without_settings_is_enough(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD)
    (tmp_path / "features.toml").unlink()
    assert names(folder) == ["one"]


@pytest.mark.parametrize("name", builtin_names()[:1])
def test_a_built_in_feature_is_on_when_it_is_named(tmp_path: Path, name: str) -> None:
    assert names(folder_of(tmp_path)) == []
    assert names(folder_of(tmp_path, f'order = ["{name}"]')) == [name]
    assert names(folder_of(tmp_path, f"[{name}]")) == [name]
    assert names(folder_of(tmp_path, f"[{name}]\nenabled = false")) == []


WRONG: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("order = [", "is not TOML"),
    "no text": (b"\xff\xfe", "is not TOML"),
    "too deep": ("x = " + "[" * 100_000, "is not TOML"),
    "far too long": (b"#" * (MAX_FILE_BYTES + 1), "no settings file"),
    "an order that is a text": ('order = "one"', "order: write a list of texts"),
    "an order of numbers": ("order = [1]", "order: write a list of texts"),
    "an order of lists": ('order = [["one"]]', "order: write a list of texts"),
    "an order of tables": ("order = [{a = 1}]", "order: write a list of texts"),
    "an order that is a table": ("[order]\nx = 1", "order: write a list of texts"),
    "operators that are none": ('operators = "root"', "operators: write a list of texts"),
    "operators of lists": ('operators = [["root"]]', "operators: write a list of texts"),
    "an unknown feature": ("[nowhere]", "[nowhere]: there is no such feature; there are "),
    "an unknown feature in the order": ('order = ["nowhere"]', "order: there is no feature 'nowhere'"),
    "twice in the order": ('order = ["one", "one"]', "order: 'one' stands there more than once"),
    "a setting at the top": ("colour = 1", "colour is no setting; there are order, operators"),
    "enabled with a text": ('[one]\nenabled = "no"', "[one] enabled: write true or false"),
    "enabled with a number": ("[one]\nenabled = 0", "[one] enabled: write true or false"),
}


@pytest.mark.parametrize(("toml", "reason"), WRONG.values(), ids=WRONG)
async def test_a_wrong_settings_file_is_refused_and_what_ran_goes_on(
    tmp_path: Path, toml: str | bytes, reason: str
) -> None:
    folder = folder_of(tmp_path, "", one=GOOD)
    running = (await folder.load()).features
    folder_of(tmp_path, toml)
    loading = await folder.load()
    (mistake,) = loading.mistakes
    assert str(mistake).startswith(str(tmp_path / "features.toml"))
    assert reason in str(mistake)
    assert loading.features == running


def test_all_mistakes_of_a_settings_file_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FeatureError) as caught:
        folder_of(tmp_path, 'order = ["a", "b"]\ncolour = 1\n[c]\n').select()
    assert all(word in str(caught.value) for word in ("'a'", "'b'", "colour", "[c]"))


async def test_a_folder_that_is_none_is_said_and_what_ran_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "features"
    path.mkdir()
    folder = folder_of(path, one=GOOD)
    running = (await folder.load()).features
    path.rename(tmp_path / "away")
    loading = await folder.load()
    assert "is no folder" in str(loading.mistakes[0])
    assert loading.features == running


def test_too_many_features(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{f"f{number}": GOOD for number in range(MAX_FEATURES + 1)})
    with pytest.raises(FeatureError, match=f"at most {MAX_FEATURES}"):
        folder.select()


@pytest.mark.parametrize("what", ["a folder", "a link to nowhere", "too long"])
async def test_a_file_that_cannot_be_read_is_said_and_the_others_load(tmp_path: Path, what: str) -> None:
    folder = folder_of(tmp_path, one=GOOD)
    file = tmp_path / "two.py"
    if what == "a folder":
        file.mkdir()
    elif what == "too long":
        file.write_text("#" * (MAX_FILE_BYTES + 1))
    else:
        file.symlink_to(tmp_path / "nowhere.py")
    loading = await folder.load()
    assert [each.name for each in loading.features] == ["one"]
    assert str(loading.mistakes[0]).startswith(str(file))
    folder.stamp()


async def test_only_what_has_changed_is_loaded_anew(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD, two=GOOD)
    first = await folder.load()
    assert set(first.loaded) == {"one", "two"}
    assert (await folder.load()).loaded == ()
    folder_of(tmp_path, two=GOOD + "# other\n")
    second = await folder.load()
    assert second.loaded == ("two",)
    assert second.features[0] is first.features[0]
    assert second.features[1] is not first.features[1]
    folder_of(tmp_path, 'order = ["two"]')
    third = await folder.load()
    assert (third.loaded, [each.name for each in third.features]) == ((), ["two", "one"])


SETTLED = """\
from core.features import Feature, Settings
class Mine(Settings):
    number: int = 1
class One(Feature):
    settings: Mine
"""


async def test_other_settings_are_another_feature(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "[one]\nnumber = 2", one=SETTLED)
    first = await folder.load()
    folder_of(tmp_path, "[one]\nnumber = 3")
    second = await folder.load()
    assert second.loaded == ("one",)
    assert second.features[0].feature.settings != first.features[0].feature.settings


async def test_what_does_not_load_leaves_the_old_one_running(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD)
    old = (await folder.load()).features
    for wrong in ("(", "x = 1", "raise SystemExit", "import nowhere_to_be_found"):
        folder_of(tmp_path, one=wrong)
        loading = await folder.load()
        assert loading.features == old
        assert len(loading.mistakes) == 1
    folder_of(tmp_path, "[one]\nnumber = 1", one=GOOD)
    loading = await folder.load()
    assert loading.features == old
    assert "features.toml [one]" in str(loading.mistakes[0])
    folder_of(tmp_path, one=GOOD + "# mended\n")
    loading = await folder.load()
    assert (loading.loaded, loading.mistakes) == (("one",), ())


async def test_what_was_taken_out_is_loaded_anew(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD)
    first = await folder.load()
    first.features[0].is_out = True
    second = await folder.load()
    assert second.loaded == ("one",)
    assert not second.features[0].is_out


async def test_what_is_gone_or_off_is_removed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD, two=GOOD)
    await folder.load()
    (tmp_path / "one.py").unlink()
    assert (await folder.load()).removed == ("one",)
    folder_of(tmp_path, "[two]\nenabled = false")
    assert (await folder.load()).removed == ("two",)


VALIDATING = """\
from pydantic import field_validator
from core.features import Feature, Settings
class Mine(Settings):
    number: int = 1
    @field_validator("number")
    @classmethod
    def check(cls, value: int) -> int:
        return {1: 1}[value]
class One(Feature):
    settings: Mine
"""
UNMADE = (
    "from core.features import Feature\nclass One(Feature):\n    def __init__(self):\n        raise SystemExit(3)\n"
)
HOOK = "from core.features import Feature\nclass One(Feature):\n    left = 0\n"


@pytest.mark.parametrize(
    ("toml", "text"),
    [("[one]\nnumber = 2", VALIDATING), ("", UNMADE), ("", HOOK)],
    ids=["a validator that fails", "an exit while it is made", "a hook that is none"],
)
async def test_whatever_goes_wrong_is_a_mistake_and_not_the_end_of_the_core(
    tmp_path: Path, toml: str, text: str
) -> None:
    """Anything else that is raised here ends the task that follows the folder, and with it the core."""
    folder = folder_of(tmp_path, toml, one=text, two=GOOD)
    try:
        loading = await folder.load()
    except BaseException as error:
        pytest.fail(f"{type(error).__name__} came out: {error}")
    assert [each.name for each in loading.features] == ["two"]
    assert len(loading.mistakes) == 1


async def test_a_built_in_feature_whose_library_is_missing_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError("No module named 'httpx'")

    name = builtin_names()[0]
    monkeypatch.setattr("core.features.loader.importlib.import_module", missing)
    loading = await folder_of(tmp_path, f"[{name}]").load()
    assert "httpx" in str(loading.mistakes[0])


async def test_a_feature_that_takes_for_ever_to_load_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "LOAD_SECONDS", 0.02)
    slow = "import time\ntime.sleep(0.2)\n" + GOOD
    loading = await folder_of(tmp_path, one=slow, two=GOOD).load()
    assert "is not loaded after 0.02 s" in str(loading.mistakes[0])
    assert [each.name for each in loading.features] == ["two"]


def test_the_stamp_changes_with_everything_that_counts(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=GOOD)
    seen = {folder.stamp()}
    for step in (
        lambda: folder_of(tmp_path, one=GOOD + "#"),
        lambda: folder_of(tmp_path, "[one]"),
        lambda: folder_of(tmp_path, "[one]", two=GOOD),
        lambda: (tmp_path / "two.py").rename(tmp_path / "three.py"),
        lambda: (tmp_path / "features.toml").unlink(),
    ):
        step()
        assert folder.stamp() not in seen
        seen.add(folder.stamp())
