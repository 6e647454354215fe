"""The commands ``policy show`` and ``policy check``: what they print, and how mistakes end them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.policy import compile_policy
from games.registry import load_pack
from tidegate import cli
from tidegate.commands import app
from tidegate.policy_view import describe_step, view_policy
from tunnel.policy import policy_digest
from wire.steps import Operation, Step

GOOD = '[checks.layout]\nmode = "audit"\n[packets.SAY]\nper_second = 2\nburst = 6\n'
BAD = '[packets.SAI]\nmode = "off"\n[checks.size]\nmode = "no"\n'


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def run(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tidegate", "policy", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("command", [[], ["show"], ["check"]], ids=" ".join)
def test_help_is_readable_at_80_columns(command: list[str]) -> None:
    result = CliRunner().invoke(app, ["policy", *command, "--help"], prog_name="tidegate", terminal_width=80)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert not command or "Examples:\n    tidegate policy" in result.output


def test_help_loads_nothing_slow() -> None:
    show = (
        "import sys; sys.argv[1:] = ['policy', 'show', '--help']\n"
        "from tidegate.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=15, check=False)
    assert {"grpc", "google.protobuf", "structlog", "rich", "tidegate.settings"}.isdisjoint(finished.stderr.split())


class TestShow:
    def test_every_packet_is_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("show") == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        rules = compile_policy(load_pack("pko"), "classic").rules
        assert rules is not None
        for rule in rules.rules:
            assert any(line[: 1 + len(rule.name.split())] == [str(rule.opcode), *rule.name.split()] for line in lines)
        for check in ("frame_rate", "layout"):
            assert any(line[:2] == [check, "enforce"] for line in lines)

    def test_the_rules_file_is_in_effect(self, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rules.write_text(GOOD)
        assert run("show", "--rules", str(rules), "--format", "json") == 0
        view = json.loads(capsys.readouterr().out)
        say = next(packet for packet in view["packets"] if packet["name"] == "SAY")
        assert (say["rate"]["per_second"], say["rate"]["burst"]) == (2, 6)
        assert say["shares_rate_with"] == []
        assert view["checks"]["layout"] == {"mode": "audit", "action": "close"}

    def test_the_settings_name_the_rules_file(
        self, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rules.write_text(GOOD)
        config = tmp_path / "tidegate.toml"
        config.write_text(f'[game]\nrules_file = "{rules}"\n')
        assert run("show", "-c", str(config), "say") == 0
        assert "2 per second, burst 6" in capsys.readouterr().out

    def test_packets_are_shown_in_full_by_name_and_number(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("show", "beginaction_move", "431") == 0
        text = capsys.readouterr().out
        assert "BEGINACTION MOVE (6)" in text
        assert "LOGIN (431)" in text
        assert "24 bytes after their length (secret)" in text
        assert "  x         i32 little-endian from 0 to" in text

    def test_an_opcode_of_several_packets_shows_all(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("show", "6", "--format", "json") == 0
        names = [packet["name"] for packet in json.loads(capsys.readouterr().out)["packets"]]
        assert len(names) > 20
        assert all(name.startswith("BEGINACTION ") for name in names)

    def test_a_packet_there_is_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("show", "SAI") == 2
        assert capsys.readouterr().err == "tidegate: no rule for the packet 'SAI'; did you mean SAY?\n"

    def test_a_game_without_rules(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("show", "--game", "raw") == 0
        assert "The game has no rules" in capsys.readouterr().out
        assert run("show", "--game", "raw", "SAY") == 2
        assert run("show", "--game", "raw", "--format", "json") == 0

    def test_a_bad_rules_file_is_status_2(self, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rules.write_text(BAD)
        assert run("show", "--rules", str(rules)) == 2
        assert capsys.readouterr().err.startswith("tidegate: 2 mistakes in the settings:\n")

    def test_the_dialect_stands_above(self, capsys: pytest.CaptureFixture[str]) -> None:
        policy = compile_policy(load_pack("pko"), "counter")
        assert run("show", "--dialect", "counter") == 0
        title = f"pko (counter), frames up to 16384 bytes, policy {policy_digest(policy)[:12]}\n"
        assert capsys.readouterr().out.startswith(title)


@pytest.mark.parametrize("dialect", load_pack("pko").dialects)
def test_every_dialect_has_a_view_that_json_can_hold(dialect: str) -> None:
    view = view_policy(compile_policy(load_pack("pko"), dialect))
    assert json.loads(json.dumps(view)) == view


class TestCheck:
    def test_a_good_file_is_one_line(self, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rules.write_text(GOOD)
        assert run("check", str(rules), "--game", "pko", "--dialect", "counter") == 0
        said = f"{rules}: right; changes 1 packet (SAY), 1 check (layout) of pko (counter)\n"
        assert capsys.readouterr().out == said

    def test_every_mistake_of_a_bad_one(self, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rules.write_text(BAD)
        assert run("check", str(rules)) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.splitlines() == [
            "tidegate: 2 mistakes in the settings:",
            f'  {rules}:3: checks.size.mode: \'no\' is not "off", "audit" or "enforce"',
            f"  {rules}:1: packets.SAI: no such packet; did you mean SAY?",
        ]

    def test_a_file_that_is_not_there(self, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("check", str(rules)) == 2
        assert "cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            Step(operation=Operation.INT, width=2, high=9, ranges=((3, 3), (5, 6))),
            "u16 from 0 to 9, but not 3 or 5 to 6",
        ),
        (Step(operation=Operation.INT, width=1, signed=True, low=-1, high=-1), "i8 = -1"),
        (
            Step(operation=Operation.TEXT, low=1, high=4, phrases=(b"<\xff",)),
            "text of 1 to 4 bytes, without '<\\\\xff'",
        ),
        (Step(operation=Operation.RAW, low=4, high=4), "4 bytes"),
        (Step(operation=Operation.REST, high=4), "the rest, at most 4 bytes"),
        (Step(operation=Operation.REPEAT, low=3, high=3, steps=1), "3 times:"),
        (Step(operation=Operation.REPEAT, width=2, low=1, high=3, steps=1), "count of 16 bits, 1 to 3 times:"),
        (
            Step(operation=Operation.PACKED, width=8, high=3, steps=1),
            "0 to 3 records of 8 bytes after their length in bytes:",
        ),
        (
            Step(operation=Operation.WHEN, register=1, ranges=((2, 2),), inverted=True, steps=1),
            "if register 1 is not 2:",
        ),
        (Step(operation=Operation.TAIL, steps=1), "if anything is left:"),
        (Step(operation=Operation.MEMORY, register=0), "what memory 0 holds"),
    ],
)
def test_a_step_in_words(step: Step, said: str) -> None:
    assert describe_step(step) == said
