"""Figures of processes, read from this one and from files like the system's."""

import os
import subprocess
import sys
from pathlib import Path

from tidegate.gameday.process_figures import cpu_seconds, error_output_of, is_running, read_figures, writers_to


def test_our_own_figures() -> None:
    figures = read_figures(os.getpid())
    assert figures.rss_bytes > 1024 * 1024
    assert figures.own_bytes > 1024 * 1024
    assert figures.open_files >= 3
    assert cpu_seconds(os.getpid()) > 0
    assert is_running(os.getpid())


def test_nobodys_figures(tmp_path: Path) -> None:
    assert read_figures(1, tmp_path).open_files == read_figures(1, tmp_path).own_bytes == 0
    assert cpu_seconds(1, tmp_path) == 0
    assert not is_running(1, tmp_path)
    assert error_output_of(1, tmp_path) == ""
    assert writers_to("", tmp_path) == set()


def test_what_a_process_holds_itself_or_what_is_resident_where_that_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tx\nState:\tS\nVmRSS:\t    12 kB\n")
    assert read_figures(7, tmp_path).own_bytes == 12 * 1024
    (tmp_path / "7" / "status").write_text("Name:\tx\nState:\tS\nVmRSS:\t    12 kB\nRssAnon:\t    5 kB\n")
    assert read_figures(7, tmp_path).own_bytes == 5 * 1024
    assert is_running(7, tmp_path)
    (tmp_path / "7" / "status").write_text("State:\tZ (zombie)\n".replace("State", "Name:\tx\nState"))
    assert not is_running(7, tmp_path)


def test_who_writes_to_the_same_pipe() -> None:
    """A process that starts another on the same standard error finds it."""
    sleeper = (sys.executable, "-c", "import sys; sys.stdin.read()")
    pipe = subprocess.PIPE
    read_end, write_end = os.pipe()
    with (
        subprocess.Popen(sleeper, stdin=pipe, stderr=write_end) as one,
        subprocess.Popen(sleeper, stdin=pipe, stderr=write_end) as other,
    ):
        try:
            assert error_output_of(one.pid) == error_output_of(other.pid) != ""
            assert writers_to(error_output_of(one.pid)) == {one.pid, other.pid}
        finally:
            for each in (one, other):
                assert each.stdin is not None
                each.stdin.close()
    os.close(read_end)
    os.close(write_end)
