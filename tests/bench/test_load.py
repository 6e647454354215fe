"""The C programs: compiled, run against each other, and their frames read with the game's own pack."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench import generator
from bench.errors import BenchError
from bench.game import DIALECT, greeting
from bench.generator import BUILD, LoadResult, Programs, build_programs, run_load, running_origin
from bench.loads import MIX_FRAME_BYTES, Load
from games.registry import load_pack
from games.rules import compile_rules
from tests.servers import serving
from wire.guard import Guard
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

STEADY = Load("steady", "steady", 20, frames_per_second=50)
FLIGHT = Load("flight", "flight", 20, frames_in_flight=4, frame_bytes=512)
MIX = Load("mix", "mix", 20, frames_per_second=50, frame_bytes=MIX_FRAME_BYTES, is_mix=True)
IDLE = Load("idle", "idle", 20)


@pytest.fixture(scope="module")
def programs() -> Programs:
    assert shutil.which("cc") or shutil.which("gcc"), "the benchmark's load generator needs a C compiler: gcc"
    return build_programs()


async def measured(programs: Programs, load: Load, seconds: float = 0.3) -> LoadResult:
    async with running_origin(programs) as (origin, port):
        return await run_load(programs, load, port=port, seconds=seconds, warm_up_seconds=0.05, watched=[origin.pid])


@pytest.mark.parametrize("load", [STEADY, FLIGHT, MIX, replace(STEADY, frame_bytes=48)], ids=lambda load: load.name)
async def test_an_echo_loses_nothing(programs: Programs, load: Load) -> None:
    result = await measured(programs, load)

    assert result.sessions == 20
    assert result.sent > 0
    assert result.received > 0
    assert 0 < result.p50_us <= result.p99_us <= result.p999_us
    assert result.cpu_seconds_of(map(int, result.watched_cpu_seconds)) > 0
    assert result.own_cpu_seconds > 0
    assert (result.lost, result.doubled, result.reordered, result.corrupt, result.unanswered) == (0, 0, 0, 0, 0)
    assert (result.refused, result.broken) == (0, 0)


async def test_a_steady_load_sends_what_was_asked(programs: Programs) -> None:
    result = await measured(programs, STEADY, seconds=1)

    assert abs(result.sent + result.held_back - 1000) < 200


async def test_an_idle_load_sends_nothing(programs: Programs) -> None:
    result = await measured(programs, IDLE)

    assert (result.sent, result.refused) == (0, 0)


async def test_a_port_where_nobody_listens_refuses_every_session(programs: Programs) -> None:
    async with running_origin(programs) as (_, port):
        pass

    result = await run_load(programs, STEADY, port=port, seconds=0.1, warm_up_seconds=0, watched=[])

    assert (result.refused, result.received) == (20, 0)


@asynccontextmanager
async def origin_that(answers: dict[int, list[int]], frame_bytes: int = 64) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An origin that answers frame N with the frames that ``answers`` has for it, if any; and what it has read."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            number = len(seen)
            seen.append(await reader.readexactly(frame_bytes))
            for answer in answers.get(number, [number]):
                writer.write(seen[answer])

    async with serving(serve) as place:
        yield place.port, seen


@pytest.mark.parametrize(
    ("answers", "lost", "doubled", "reordered"),
    [
        ({3: []}, 1, 0, 0),
        ({3: [3, 3]}, 0, 1, 0),
        ({3: [], 4: [4, 3]}, 0, 0, 1),
        ({3: [], 4: [], 5: [4, 5, 3, 3]}, 0, 1, 1),
    ],
)
async def test_what_went_wrong_is_found(
    programs: Programs, answers: dict[int, list[int]], lost: int, doubled: int, reordered: int
) -> None:
    load = replace(STEADY, sessions=1, frames_per_second=100)
    async with origin_that(answers) as (port, _):
        result = await run_load(programs, load, port=port, seconds=0.3, warm_up_seconds=0, watched=[])

    assert (result.lost, result.doubled, result.reordered, result.unanswered) == (lost, doubled, reordered, 0)


def sequence_of(frame: bytes) -> int:
    return int.from_bytes(frame[12:16], "big") if frame[6:8] == b"\0\6" else int(frame[18:26], 16)


@pytest.mark.parametrize("load", [STEADY, FLIGHT, MIX], ids=lambda load: load.name)
async def test_the_frames_are_legal_in_the_game(programs: Programs, load: Load) -> None:
    load = replace(load, sessions=1, frames_per_second=100, frames_in_flight=0)
    async with origin_that({}, load.frame_bytes) as (port, seen):
        await run_load(programs, load, port=port, seconds=0.3, warm_up_seconds=0, watched=[])

    pack = load_pack("pko", {})
    rules = compile_rules(pack, DIALECT)
    assert rules is not None
    refused: Counter[str] = Counter()
    guard = Guard(Tables(rules), refused, refused)
    scanner = Scanner(pack.serverbound)
    for event in Watcher(rules).find(greeting(), Scanner(pack.clientbound)):
        guard.apply(event, 0)
    for now, frame in enumerate(seen):
        assert guard.check(scanner.feed(frame), scanner, now * 10**9) == frame
    assert not refused
    assert [sequence_of(frame) for frame in seen] == list(range(len(seen)))
    opcodes = {int.from_bytes(frame[6:8], "big") for frame in seen}
    assert opcodes == ({1, 6, 9} if load.is_mix else {1 if load.frame_bytes == 64 else 9})


async def test_the_origins_first_words_are_passed_over(programs: Programs) -> None:
    said = greeting()
    async with running_origin(programs, said) as (origin, port):
        result = await run_load(
            programs,
            STEADY,
            port=port,
            seconds=0.2,
            warm_up_seconds=0,
            watched=[origin.pid],
            greeting_bytes=len(said),
        )

    assert result.received > 0
    assert (result.lost, result.corrupt, result.unanswered, result.refused, result.broken) == (0, 0, 0, 0, 0)


async def run_program(program: Path, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(program, *arguments, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()
    return process.returncode, error.decode()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "usage"),
        (["sessions"], "write NAME=VALUE"),
        (["sessions=0"], "1 to 20000 is possible"),
        (["seconds=nan"], "is possible"),
        (["frame_bytes=16x"], "is possible"),
        (["sesions=1"], "no such option"),
    ],
)
async def test_a_wrong_option_is_said(programs: Programs, arguments: list[str], complaint: str) -> None:
    status, error = await run_program(programs.load, *arguments)

    assert status == 1
    assert complaint in error


async def test_the_origin_ends_when_its_input_does(programs: Programs) -> None:
    process = await asyncio.create_subprocess_exec(
        programs.origin, "0", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(b"")

    assert process.returncode == 0
    assert output.startswith(b"origin: ready at 127.0.0.1:")


def test_without_a_compiler_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "COMPILERS", ("no-such-compiler",))

    with pytest.raises(BenchError, match="apt-get install gcc"):
        build_programs(tmp_path)


def test_programs_that_are_up_to_date_are_left_alone(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "COMPILERS", ("no-such-compiler",))

    assert build_programs(BUILD) == programs


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"sessions": 1})])
def test_a_report_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="the load generator said"):
        LoadResult.from_json(text)


def test_a_process_that_ended_has_no_cpu_time() -> None:
    from tests.bench.samples import RESULT

    with pytest.raises(BenchError, match="ended while it was measured"):
        replace(RESULT, watched_cpu_seconds={"7": -1.0}).cpu_seconds_of([7])
