"""``tidegate why``: what logs of every kind say about a session, and what they do not."""

import gzip
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from edge.refusal_log import RefusalLog, SessionRefusals
from tests.wire.explained_rules import CLASSIC, frame, text
from tidegate import cli
from tidegate.logs import Format, configure_logs
from tidegate.session_log import MAX_LINE_BYTES, MAX_REFUSALS, find_session, parse_line, read_lines
from tidegate.session_story import tell
from wire.guard import Refusal
from wire.reasons import Reason

SESSION = "1f0c22" + "ab" * 13
OTHER = "1f0c23" + "cd" * 13

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command; returns exit status, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tidegate", "why", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, error = capsys.readouterr()
        return int(ended.value.code or 0), out, error

    return call


def write_log(form: Format, *, level: str = "debug") -> str:
    """What an edge writes about a session with three refusals, of which one is suppressed, and about another."""
    stream = io.StringIO()
    configure_logs(level, form, stream)  # type: ignore[arg-type]
    listener, tunnel = structlog.get_logger("edge.listener"), structlog.get_logger("tunnel")
    listener.debug("session_opened", session=SESSION, client="192.0.2.7", port=50312)
    listener.debug("session_opened", session=OTHER, client="2001:db8::7", port=50313)
    log = RefusalLog(time.monotonic)
    now = time.monotonic()
    session = SessionRefusals(log, SESSION, "192.0.2.7")
    session.note(now, CLASSIC, refusal(frame(1, b"\x01" + text(b"a" * 300)), Reason.CLIENT_LAYOUT))
    session.note(now + 0.5, CLASSIC, refusal(frame(1, b"\x07" + text(b'"hi" \x1b[2J')), Reason.CLIENT_LAYOUT))
    session.note(now + 0.75, CLASSIC, refusal(frame(1234), Reason.CLIENT_OPCODE))
    tunnel.error("edge_fault", session=SESSION, detail="a detail\nof two lines")
    tunnel.debug("session_closed", session=SESSION, reason="client_opcode")
    session.end(now + 1, Reason.CLIENT_OPCODE, open_seconds=12.5)
    log.close()
    structlog.reset_defaults()
    return stream.getvalue()


def refusal(refused: bytes, reason: Reason) -> Refusal:
    return Refusal(reason, "", refused, len(refused), 0, is_audit=False)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_story_of_a_session(form: Format, tmp_path: Path, run: Run) -> None:
    (tmp_path / "edge.log").write_text(write_log(form))
    status, out, error = run(SESSION, "--log", str(tmp_path / "edge.log"))
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"session   {SESSION}"
    assert lines[1].startswith("opened    20")
    assert lines[1].endswith("Z  from 192.0.2.7:50312")
    assert lines[2].startswith("refused   20")
    assert lines[2].endswith(
        "client_layout: The player's client sent a packet with values the game does not allow.",
    )
    assert lines[3] == "          what    chat text is 300 bytes where 1 to 256 are allowed"
    assert lines[4] == "          rule    SAY, opcode 1, does not fit from byte 9 on"
    assert lines[5] == "          fields  channel=1"
    assert lines[6].startswith("          bytes   013880000000000101012d6161")
    assert lines[6].endswith("(the first 32 of 312)")
    assert lines[8] == "          what    channel is 7 where 0 to 3 are allowed", "the summary has what was suppressed"
    assert "opcode 1234 is in no band" in out
    assert "also" in out
    assert "edge_fault" in out
    assert lines[-1].endswith(
        "client_opcode: The player's client sent a packet that no client of this game sends.",
    )
    assert lines[-1].startswith("ended     20")
    assert out.isascii()
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("form", ["json", "text"])
def test_without_debug_lines_the_summary_is_enough(form: Format, tmp_path: Path, run: Run) -> None:
    (tmp_path / "edge.log").write_text(write_log(form, level="info"))
    status, out, _ = run("1F0C22AB", "--log", str(tmp_path / "edge.log"))
    assert status == 0
    assert out.count("refused   ") == 3
    assert "Z  from 192.0.2.7\n" in out
    assert "ended     20" in out


def test_standard_input(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(write_log("json").encode())))
    status, out, _ = run("1f0c22")
    assert status == 0
    assert out.startswith(f"session   {SESSION}\n")


def test_rotated_logs_are_read_one_after_the_other(tmp_path: Path, run: Run) -> None:
    lines = write_log("json").splitlines(keepends=True)
    (tmp_path / "edge.log.1.gz").write_bytes(gzip.compress("".join(lines[:3]).encode()))
    (tmp_path / "edge.log").write_text("".join(lines[3:]))
    status, out, _ = run("1f0c22", "--log", str(tmp_path / "edge.log.1.gz"), "--log", str(tmp_path / "edge.log"))
    assert status == 0
    assert "from 192.0.2.7:50312" in out
    assert out.count("refused   ") == 3


def test_nothing_found_is_status_1_and_says_how_to_get_more(tmp_path: Path, run: Run) -> None:
    (tmp_path / "edge.log").write_text(write_log("json") + '{"event": "session_refusals", "sessions_not_shown": 7}\n')
    status, out, error = run("00000000", "--log", str(tmp_path / "edge.log"))
    assert (status, out) == (1, "")
    assert "nothing about session 00000000 in 9 lines" in error
    assert "log.level=debug" in error
    assert "7 sessions with refusals were left out" in error


def test_a_prefix_of_two_sessions_is_wrong_use(tmp_path: Path, run: Run) -> None:
    other = OTHER.replace("1f0c23", "1f0c22")
    (tmp_path / "edge.log").write_text(write_log("json") + write_log("json").replace(SESSION, other))
    status, _, error = run("1f0c22", "--log", str(tmp_path / "edge.log"))
    assert status == 2
    assert SESSION in error
    assert other in error


def test_only_the_first_of_several_sessions_is_gathered() -> None:
    log = write_log("json") + write_log("json").replace(SESSION, OTHER).replace("client_layout", "client_size")
    found = find_session([io.BytesIO(log.encode())], "1f0c2")
    assert found.sessions == [SESSION, OTHER]
    assert {line.fields["reason"] for line in found.refusals.values()} == {"client_layout", "client_opcode"}
    assert len(found.others) == 1


@pytest.mark.parametrize("session", ["1f0c2", "1f0c2g", "x" * 40, "ab" * 17, ""])
def test_what_is_no_session_is_wrong_use(session: str, run: Run) -> None:
    assert run(session, "--log", "nosuch")[0] == 2


@pytest.mark.parametrize("name", ["nosuch.log", ".", "damaged.gz"])
def test_a_log_that_cannot_be_read_is_status_2(name: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "damaged.gz").write_bytes(gzip.compress(b"x" * 1000)[:-20])
    status, _, error = run("1f0c22", "--log", str(tmp_path / name))
    assert status == 2
    assert error.startswith("tidegate: the log cannot be read: ")


def test_lines_behind_what_a_collector_puts_before_them() -> None:
    for form in ("json", "text"):
        log = "".join(f"Nov 22 20:01:02 host tidegate[7]: {line}\n" for line in write_log(form).splitlines())
        found = find_session([io.BytesIO(log.encode())], SESSION)
        assert len(found.refusals) == 3
        assert found.opened is not None
        assert found.opened.fields["port"] == "50312"


def test_junk_and_long_lines_between() -> None:
    junk = [b"\xff\xfe", b"{", b"[" * 100_000, SESSION.encode(), b'{"session": 5}', b"x" * (3 * MAX_LINE_BYTES)]
    junk += [b'{"session": "%s"}' % SESSION.encode(), b'"1f0c22"', b"", b"\0" * 100, b'{"a":' * 3000 + SESSION.encode()]
    log = b"\n".join([*junk, *write_log("json").encode().splitlines(), *junk])
    found = find_session([io.BytesIO(log)], "1f0c22")
    assert found.sessions == [SESSION]
    assert len(found.refusals) == 3
    assert tell(found)


def test_long_lines_are_left_out_and_the_next_one_is_whole() -> None:
    for size in range(MAX_LINE_BYTES - 2, MAX_LINE_BYTES + 3):
        lines = list(read_lines(io.BytesIO(b"a" * size + b"\nb\n")))
        assert lines == [b"a" * size if size < MAX_LINE_BYTES else b"", b"b"]


def test_a_flood_of_refusals_is_bounded_and_counted() -> None:
    lines = "".join(
        json.dumps({"timestamp": "2025-01-01T00:00:00Z", "event": "refused", "session": SESSION, "number": number})
        + "\n"
        for number in range(MAX_REFUSALS + 500)
    )
    found = find_session([io.BytesIO(lines.encode())], "1f0c22")
    assert len(found.refusals) == MAX_REFUSALS
    assert "500 more refusals of which the log has no line" in tell(found)


def test_what_a_log_says_cannot_reach_the_terminal() -> None:
    line = {"timestamp": "\x1b[2J", "session": SESSION, "event": "refused", "reason": "\x9b31m", "detail": "a\x07\nb"}
    found = find_session([io.BytesIO(json.dumps(line).encode())], "1f0c22")
    assert all(each.isprintable() for each in tell(found).splitlines())


def test_a_session_that_is_still_running() -> None:
    log = "\n".join(line for line in write_log("json").splitlines() if "session_opened" in line)
    story = tell(find_session([io.BytesIO(log.encode())], OTHER))
    assert "opened" in story
    assert "from [2001:db8::7]:50313" in story
    assert "no refusals in the log" in story
    assert "ended     not as far as the log goes" in story


@given(st.lists(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)), max_size=20))
def test_any_log_is_survived(junk: list[bytes]) -> None:
    lines = [piece + SESSION.encode() for piece in junk] + [b'{"session":"%s",%s' % (SESSION.encode(), b) for b in junk]
    found = find_session([io.BytesIO(b"\n".join(lines))], "1f0c22")
    if found.sessions:
        assert all(line.isprintable() for line in tell(found).splitlines())


VALUES = st.text(max_size=30)
KEYS = st.text("abcdefghijklmnop_", min_size=1, max_size=8).filter(
    lambda key: key not in ("event", "level", "logger", "timestamp", "exc_info", "stack_info", "traceback")
)


@pytest.mark.parametrize("form", ["json", "text"])
@given(fields=st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_is_logged_is_read_back(form: Format, fields: dict[str, str]) -> None:
    stream = io.StringIO()
    configure_logs("info", form, stream)
    structlog.get_logger("edge").info("some event", **fields)
    structlog.reset_defaults()
    line = parse_line(stream.getvalue().rstrip("\n").encode(errors="backslashreplace"))
    assert line is not None
    assert line.event == "some event"
    assert {key: value for key, value in line.fields.items() if key not in ("level", "logger")} == fields


def test_a_file_is_read_as_a_stream() -> None:
    class Endless(io.RawIOBase):
        """Ends after a gigabyte that nobody could keep; counts what is asked for at once."""

        left = 200
        most = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            Endless.most = max(Endless.most, size)
            Endless.left -= 1
            return b"z" * size if Endless.left > 0 else b""

    endless: BinaryIO = Endless()  # type: ignore[assignment]
    assert find_session([endless], "1f0c22").lines == 1
    assert Endless.most == MAX_LINE_BYTES
