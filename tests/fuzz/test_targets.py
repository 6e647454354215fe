"""All fuzz targets, shortly: what was kept, and the first cases of the unguided loop, which are always the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.case import FuzzFailure, run_case, run_case_measured
from tests.fuzz.corpus import FOLDER, read_corpus
from tests.fuzz.loop import run_loop, seeds_of
from tests.fuzz.mutation import BLOCK_CASES, inputs_of_block
from tests.fuzz.source import Source, cut
from tests.fuzz.targets import NAMES, Target, load_target

ROOT = Path(__file__).parents[2]
CASES = {"policy": 300, "overrides": 150, "log": 500}
SEED = 20_250_101


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cases(name: str) -> None:
    target = load_target(name)
    seeds = seeds_of(target)
    for data in seeds:
        run_case_measured(target, data)
    for number, data in enumerate(inputs_of_block(seeds, target.max_bytes, SEED, 0)):
        if number >= CASES.get(name, BLOCK_CASES):
            break
        assert len(data) <= target.max_bytes
        run = run_case if number % 50 else run_case_measured
        run(target, data)


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.stem for path in FOLDER.glob("*")} <= set(NAMES)
    for name in NAMES:
        assert all(what for what, _ in read_corpus(name))


def bad_target(data: bytes) -> None:
    """Finds fault with a length."""
    assert len(data) != 7, "seven bytes"


def greedy_target(data: bytes) -> None:
    """Takes much more memory than it is given."""
    assert len(bytes(1 << 20)) > len(data)


def make_target(fuzz_one: object) -> Target:
    return Target("bad", fuzz_one, lambda: [b"abcde"], 20, ())  # type: ignore[arg-type]


def test_the_loop_finds_what_is_wrong_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run_loop(make_target(bad_target), cases=10_000, seconds=0, seed=1, folder=tmp_path)
    kept = list(tmp_path.iterdir())
    assert [len(path.read_bytes()) for path in kept] == [7]
    out = capsys.readouterr().out
    assert "FAILED bad: AssertionError: seven bytes" in out
    assert kept[0].read_bytes().hex() in out


def test_the_loop_ends_after_its_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_loop(load_target("chunks"), cases=1500, seconds=0, seed=1, folder=tmp_path)
    assert "2,000 cases" in capsys.readouterr().out
    assert run_loop(load_target("chunks"), cases=1 << 60, seconds=0.01, seed=1, folder=tmp_path)


def test_memory_is_held_to_account() -> None:
    with pytest.raises(FuzzFailure, match=r"took 1\d{6} bytes for 5"):
        run_case_measured(make_target(greedy_target), b"abcde")


def test_the_same_seed_gives_the_same_inputs() -> None:
    first = list(inputs_of_block([b"abc", b""], 50, 1, 2))
    assert first == list(inputs_of_block([b"abc", b""], 50, 1, 2))
    assert first != list(inputs_of_block([b"abc", b""], 50, 1, 3))
    assert len(set(first)) > BLOCK_CASES // 2


@pytest.mark.parametrize("seed", range(7))
def test_cuts_lose_nothing(seed: int) -> None:
    stream = bytes(range(256)) * 3
    pieces = list(cut(stream, seed))
    assert b"".join(pieces) == stream
    assert len(pieces) > 1


def test_a_source_that_has_ended_gives_nothing() -> None:
    source = Source(b"\x05")
    assert (source.number(), source.number(4), source.take(9), source.flag(), source.left) == (5, 0, b"", False, 0)


def test_the_command_runs_an_input_again(tmp_path: Path) -> None:
    (tmp_path / "input.bin").write_bytes(b"\x00" * 30)
    command = [sys.executable, "-m", "tests.fuzz", "scanner", "--input", str(tmp_path / "input.bin")]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    assert (finished.returncode, finished.stdout) == (0, "nothing found\n")
