"""The image, as far as can be without an engine: its instructions, its health check, and what a wheel holds."""

import asyncio
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.infra.units import ROOT
from tests.relays import LOOPBACK, free_port

DOCKERFILE = ROOT / "Dockerfile"
HEALTHCHECK = ROOT / "infra" / "docker" / "healthcheck.py"
PACKAGES = ("core", "edge", "fleet", "games", "protos", "tidegate", "tunnel", "wire")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their words, lines that go on put together."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def copied() -> list[str]:
    """What the build takes from the folder."""
    sources = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    return [source for each in sources for source in each]


def test_hadolint_finds_nothing() -> None:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    found = str(program) if program.exists() else shutil.which("hadolint")
    assert found, "hadolint is missing: 'make setup' installs it"
    finished = subprocess.run([found, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_bases_are_named_by_an_exact_tag_and_nobody_is_root() -> None:
    bases = [rest for word, rest in instructions() if word == "FROM"]
    assert all(re.match(r"python:3\.\d+\.\d+-[a-z-]+( AS build)?$", base) for base in bases)
    assert len({re.match(r"python:([\d.]+)-", base)[1] for base in bases}) == 1, "one interpreter for both"  # type: ignore[index]
    last = instructions()[len(instructions()) - instructions()[::-1].index(("FROM", bases[-1])) :]
    assert ("USER", "10001:10001") in last
    assert [word for word, _ in last if word in ("HEALTHCHECK", "ENTRYPOINT", "STOPSIGNAL")] == [
        *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT")
    ]


def test_what_is_copied_is_there_and_reaches_the_engine() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*", "what is not named does not reach the engine"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert let_in == set(copied())
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    patterns = [line for line in ignored[1:] if not line.startswith("!")]
    for secret in ("core/certs/key.pem", "tidegate/authority.key", "wire/guard.so", "core/__pycache__"):
        assert any(fnmatch.fnmatch(secret, pattern.replace("**/", "*/")) for pattern in patterns), secret


def test_every_package_of_the_project_is_copied() -> None:
    assert set(PACKAGES) <= set(copied())
    assert {"pyproject.toml", "setup.py"} <= set(copied())


async def check_health(answer: bytes | None, environment: dict[str, str]) -> tuple[int, str]:
    """Run the health check against a server that answers so, or that is not there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"GET /healthz HTTP/1.1\r\n"
        writer.write(answer or b"")
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0) if answer is not None else None
    port = server.sockets[0].getsockname()[1] if server is not None else free_port()
    environment = {name: value.format(port=port) for name, value in environment.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HEALTHCHECK),
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate()
    if server is not None:
        server.close()
        await server.wait_closed()
    assert process.returncode is not None
    return process.returncode, error.decode()


WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ILL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LISTEN = {"TIDEGATE_HTTP_LISTEN": "0.0.0.0:{port}"}


@pytest.mark.parametrize(
    ("answer", "environment", "status", "said"),
    [
        (WELL, LISTEN, 0, ""),
        (ILL, LISTEN, 1, "HTTP Error 503"),
        (b"SSH-2.0\r\n", LISTEN, 1, "SSH-2.0"),
        (None, LISTEN, 1, "Connection refused"),
        (None, {}, 1, "port unknown"),
        (None, {"TIDEGATE_HTTP_LISTEN": "here"}, 1, "port here"),
    ],
    ids=["well", "ill", "something else", "nobody", "not set", "no port"],
)
async def test_the_health_check(answer: bytes | None, environment: dict[str, str], status: int, said: str) -> None:
    found, error = await check_health(answer, environment)
    assert found == status
    assert said in error
    assert "Traceback" not in error


@pytest.mark.timeout(180)
def test_a_wheel_holds_all_that_runs_and_nothing_else(tmp_path: Path) -> None:
    """As the Dockerfile builds it, from what it copies; but interpreted, because compiling takes minutes here."""
    source, wheels, site = tmp_path / "source", tmp_path / "wheels", tmp_path / "site"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        elif "/" not in name:
            shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    build += ["--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    environment = {**os.environ, "TIDEGATE_PURE": "1"}
    subprocess.run(build, check=True, env=environment)
    (wheel,) = wheels.glob("tidegate-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(site)
    packed = {name for name in names if ".dist-info/" not in name}
    wanted = {
        str(file.relative_to(source))
        for package in PACKAGES
        for file in (source / package).rglob("*")
        if file.suffix in (".py", ".pyi", ".proto", ".pxd", ".typed")
    }
    # `protos` itself has no package marker in every folder: what the wheel leaves out there is what nothing imports.
    assert sorted(wanted - packed) == []
    assert {name.split("/")[0] for name in packed} == set(PACKAGES), "no tests, no bench"

    run = [sys.executable, "-P", "-m", "tidegate"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import tidegate.version; print(tidegate.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site)), "it is the wheel that runs, not this folder"
    version = subprocess.run(
        [*run, "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("tidegate 0.")
    demo = [*run, "demo", "--bots", "3", "--seconds", "2"]
    played = subprocess.run(demo, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stderr
