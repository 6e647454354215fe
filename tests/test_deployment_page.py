"""What docs/deployment.md has people type, run: three regions on this machine, with bots in each."""

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.relays import free_port

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "deployment.md"
PORTS = ("1973", "1974", "1983", "1993", "7400", "9400", "9401", "9402", "9403")
RELAYS = 5
"""Programs of the second block, each of which says that it is ready."""

pytestmark = pytest.mark.timeout(120)


def blocks() -> list[str]:
    """What is to be run, in order."""
    return re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a user has: the examples, and the command on the path."""
    shutil.copytree(ROOT / "examples" / "settings", tmp_path / "examples" / "settings")
    command = tmp_path / "bin" / "tidegate"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tidegate "$@"\n')
    command.chmod(0o755)
    return tmp_path


def with_free_ports(folder: Path, commands: list[str]) -> list[str]:
    """Write other ports into the files and the commands: those of the page may be in use here."""
    ports = {port: str(free_port()) for port in PORTS}
    pattern = re.compile(rf"(?<=127\.0\.0\.1:)({'|'.join(ports)})\b")
    for file in folder.rglob("*.toml"):
        file.write_text(pattern.sub(lambda found: ports[found[0]], file.read_text()))
    return [pattern.sub(lambda found: ports[found[0]], command) for command in commands]


async def run(shell: asyncio.subprocess.Process, commands: str) -> str:
    """Type commands; return what was printed until all that are not in the background have ended."""
    assert shell.stdin is not None
    shell.stdin.write(f"{commands}echo done $?\n".encode())
    return await until(shell, r"^done 0$")


async def until(shell: asyncio.subprocess.Process, pattern: str, times: int = 1) -> str:
    assert shell.stdout is not None
    said = ""
    while len(re.findall(pattern, said, re.MULTILINE)) < times:
        line = (await shell.stdout.readline()).decode()
        assert line, f"the shell has ended: {said}"
        assert not re.match(r"done [1-9]", line), f"a command failed: {said}"
        said += line
    return said


async def test_the_page_s_commands_give_three_regions(folder: Path) -> None:
    certificates, start, play, end = with_free_ports(folder, blocks())
    shell = await asyncio.create_subprocess_exec(
        "bash", "-e",
        cwd=folder, env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        await run(shell, certificates)
        assert sorted(each.name for each in (folder / "certs").iterdir() if each.is_dir()) == [
            *("core-eu-1", "edge-asia-1", "edge-eu-1", "edge-us-1")
        ]
        said = await run(shell, start)
        said += await until(shell, r": (ready|listening)\b", RELAYS - len(re.findall(r": (ready|listening)\b", said)))
        assert len(re.findall(r"tidegate edge: ready", said)) == 3
        played = await run(shell, play)
        assert len(re.findall(r"\bok\b", played)) >= 3, played
        ended = await run(shell, end)
        assert ended.count("it has ended") == 2
    finally:
        os.killpg(shell.pid, signal.SIGKILL)  # the shell's own session: what it has started
        await shell.communicate()


def test_every_file_that_the_page_names_is_there() -> None:
    text = PAGE.read_text()
    named = set(re.findall(r"(?:infra|examples)/[\w./-]+\.\w+", text)) | {"compose.yaml", "Dockerfile", ".dockerignore"}
    assert {"infra/systemd/tidegate.sysusers", "infra/prometheus/alerts.yml"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
