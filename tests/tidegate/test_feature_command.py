"""The commands ``feature new``, ``feature list`` and ``feature check``: what they write and print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.features.loader import builtin_names
from tidegate import cli
from tidegate.commands import app

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "features"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "features"


def run(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tidegate", "feature", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


@pytest.mark.parametrize("command", [[], ["new"], ["list"], ["check"]], ids=" ".join)
def test_help_is_readable_at_80_columns(command: list[str]) -> None:
    result = CliRunner().invoke(app, ["feature", *command, "--help"], prog_name="tidegate", terminal_width=80)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "..." not in result.output.partition("Commands:")[2], "a summary is cut"
    assert not command or "Examples:\n    tidegate feature" in result.output


def test_help_loads_nothing_slow() -> None:
    show = (
        "import sys; sys.argv[1:] = ['feature', 'new', '--help']\n"
        "from tidegate.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    loaded = run_python("-c", show).stderr.split()
    assert "tidegate.cli" in loaded
    assert {"grpc", "structlog", "rich", "httpx", "tidegate.settings"}.isdisjoint(loaded)


class TestNew:
    @pytest.mark.timeout(60)
    def test_the_test_passes_at_once_and_the_types_are_right(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("new", "treasure_hunt", "--folder", str(folder)) == 0
        files = [folder / "treasure_hunt.py", folder / "test_treasure_hunt.py"]
        assert capsys.readouterr().out.splitlines()[:2] == list(map(str, files))

        tested = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", str(folder))
        assert tested.returncode == 0, tested.stdout
        assert "3 passed" in tested.stdout
        typed = run_python("-m", "mypy", "--strict", *map(str, files))
        assert typed.returncode == 0, typed.stdout
        linted = run_python("-m", "ruff", "check", "--config", "examples/ruff.toml", "--ignore=I", *map(str, files))
        assert linted.returncode == 0, linted.stdout
        formatted = run_python("-m", "ruff", "format", "--check", "--config", "pyproject.toml", *map(str, files))
        assert formatted.returncode == 0, formatted.stderr

    @pytest.mark.parametrize("name", ["a", "x1", "a_b_c", "under_", "a" * 32])
    def test_a_core_loads_what_was_written(self, folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("new", name, "--folder", str(folder)) == 0
        assert run("check", "--folder", str(folder)) == 0
        assert capsys.readouterr().out.endswith("right; 1 feature on\n")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("Treasure", "is no name for a feature"),
            ("1st", "is no name for a feature"),
            ("a-b", "is no name for a feature"),
            ("../a", "is no name for a feature"),
            ("", "is no name for a feature"),
            ("käse", "is no name for a feature"),
            ("a" * 33, "is no name for a feature"),
            ("test_x", "files that begin with test_ are tests"),
            ("webhook", "comes with the core"),
            ("class", "means something else in Python"),
            ("json", "means something else in Python"),
            ("feature", "means something else in Python"),
            ("per_account", "means something else in Python"),
        ],
    )
    def test_a_bad_name_gets_a_sentence(
        self, folder: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("new", name, "--folder", str(folder)) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"tidegate: {name!r}")
        assert said in error
        assert not folder.exists()

    @pytest.mark.parametrize("existing", ["mine.py", "test_mine.py"])
    def test_nothing_is_overwritten(self, folder: Path, existing: str, capsys: pytest.CaptureFixture[str]) -> None:
        folder.mkdir()
        (folder / existing).write_text("precious")
        assert run("new", "mine", "--folder", str(folder)) == 2
        assert f"{folder / existing} exists; nothing is overwritten" in capsys.readouterr().err
        assert [(file.name, file.read_text()) for file in folder.iterdir()] == [(existing, "precious")]

    def test_a_game_without_packets(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("new", "mine", "--folder", str(folder), "--game", "echo") == 2
        assert "there is no template for the game 'echo'" in capsys.readouterr().err

    def test_a_folder_that_cannot_be_made(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder.write_text("a file")
        assert run("new", "mine", "--folder", str(folder)) == 2
        assert capsys.readouterr().err == f"tidegate: {folder}: File exists\n"


class TestList:
    def test_what_is_on_stands_in_its_order(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("list", "--folder", str(EXAMPLES)) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert rows[0] == ["order", "feature", "from", "settings"]
        assert [row[:2] for row in rows[1:4]] == [["1", "quiet_hours"], ["2", "trade_limit"], ["3", "commands"]]
        by_name = {row[1]: row for row in rows}
        assert by_name["commands"][2:4] == ["the", "core"]
        assert by_name["parrot"][0] == "off"
        assert by_name["webhook"] == ["off", "webhook", "the", "core"]
        file, line = by_name["treasure"][3].rsplit(":", 1)
        assert Path(file).read_text().splitlines()[int(line) - 1] == "[treasure]"
        assert {*builtin_names(), *(file.stem for file in EXAMPLES.glob("[!t_]*.py"))} <= set(by_name)

    def test_the_folder_of_the_settings(self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder.mkdir()
        (folder / "mine.py").write_text("")
        config = tmp_path / "tidegate.toml"
        config.write_text(f'[features]\nfolder = "{folder}"\n')
        assert run("list", "-c", str(config)) == 0
        assert str(folder / "mine.py") in capsys.readouterr().out

    @pytest.mark.parametrize("toml", [None, "order = 1", "what is this"])
    def test_a_folder_that_cannot_be_used_is_status_2(
        self, folder: Path, toml: str | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if toml is not None:
            folder.mkdir()
            (folder / "features.toml").write_text(toml)
        assert run("list", "--folder", str(folder)) == 2
        assert capsys.readouterr().err.startswith(f"tidegate: {folder}")


BROKEN = """\
from core.features import Feature, Session, handles


class Broken(Feature):
    @handles
    def said(self, session: Session) -> None: ...
"""


class TestCheck:
    def test_every_mistake_is_a_line(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder.mkdir()
        (folder / "broken.py").write_text(BROKEN)
        (folder / "syntax.py").write_text("x = 1\ndef (:\n")
        (folder / "missing.py").write_text("\nimport there_is_none\n")
        assert run("check", "--folder", str(folder)) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{folder / 'broken.py'}:5: Broken.said takes 2 arguments where 3 are given: write ")
        assert lines[1].startswith(f"{folder / 'missing.py'}:2: No module named 'there_is_none'")
        assert lines[2].startswith(f"{folder / 'syntax.py'}:2: ")
        assert len(lines) == 3

    def test_wrong_settings(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("new", "mine", "--folder", str(folder)) == 0
        (folder / "features.toml").write_text('[mine]\nword = 1\ncolour = "red"\n')
        capsys.readouterr()
        assert run("check", "--folder", str(folder)) == 1
        (line,) = capsys.readouterr().out.splitlines()
        assert "[mine]" in line
        assert "colour: is no setting of it; it has: word, answer" in line

    def test_no_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("check", "--folder", str(folder)) == 1
        assert capsys.readouterr().out.startswith(f"{folder}: is no folder")

    @pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
    def test_the_examples_are_right(self, dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("check", "--folder", str(EXAMPLES), "--dialect", dialect) == 0
        assert capsys.readouterr().out == f"{EXAMPLES}: right; 5 features on\n"
