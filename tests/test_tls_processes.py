"""Relays with certificates as real processes: the commands as a new user types them, workers, and who may not start."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.address import Address
from fleet.identity import Identity
from tests.certificates import office
from tests.relays import LOOPBACK, Streams, echo, running_origin
from tests.test_breaks import until
from tidegate.children import Child

pytestmark = pytest.mark.timeout(90)  # each starts several processes

ANY_PORT = f"{LOOPBACK}:0"
FRAME = b"\x00\x05abc"


async def tidegate(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command in a folder; return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", *arguments),
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0]
    return process.returncode or 0, said.decode()


async def assert_plays(players: Address) -> Streams:
    streams = await asyncio.open_connection(players.host, players.port)
    streams[1].write(FRAME)
    assert await streams[0].readexactly(len(FRAME)) == FRAME
    return streams


async def test_three_regions_as_a_new_user_would(tmp_path: Path) -> None:
    regions = ("eu", "us", "sea")
    assert (await tidegate(tmp_path, "certs", "init"))[0] == 0
    assert (await tidegate(tmp_path, "certs", "issue", "core", "core-1"))[0] == 0
    for region in regions:
        status, said = await tidegate(tmp_path, "certs", "issue", "edge", f"{region}-1", "--region", region)
        assert status == 0
        assert f"certs/edge-{region}-1: edge {region}-1 in {region}, until " in said
    events: list[Mapping[str, Any]] = []
    core, edges = Child("core", events.append), [Child(region) for region in regions]
    certs = tmp_path / "certs"
    try:
        async with running_origin(echo) as origin:
            game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
            at = await core.start("core", *game, "--certificates", str(certs / "core-core-1"), "--log-format", "json")
            for region, edge in zip(regions, edges, strict=True):
                own = ("--certificates", str(certs / f"edge-{region}-1"))
                players = await edge.start("edge", "--listen", ANY_PORT, "--core", str(at), *own)
                streams = await assert_plays(players)
                streams[1].close()
            attached = {(each["edge"], each["region"]) for each in events if each["event"] == "edge_attached"}
            assert attached == {(f"{region}-1", region) for region in regions}
            status, said = await tidegate(tmp_path, "certs", "revoke", "edge/us-1")
            assert status == 0
            await until(lambda: any("us-1 in us was revoked: cut off" in each.get("last_why", "") for each in events))
            (await assert_plays(players))[1].close()
    finally:
        for child in (*edges, core):
            await child.stop()


async def test_workers_share_the_port_and_the_certificate(tmp_path: Path) -> None:
    made = office(tmp_path / "certs")
    folders = {
        identity.role: str(made.authority.issue(identity).folder)
        for identity in (Identity("edge", "fra-1", "eu"), Identity("core", "core-1", "eu"))
    }
    events: list[Mapping[str, Any]] = []
    core, edge = Child("core", events.append), Child("edge")
    try:
        async with running_origin(echo) as origin:
            game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{origin}", "--workers", "2")
            at = await core.start("core", *game, "--certificates", folders["core"], "--log-format", "json")
            ours = ("--core", str(at), "--workers", "2", "--certificates", folders["edge"])
            players = await edge.start("edge", "--listen", ANY_PORT, *ours)
            for _ in range(6):
                streams = await assert_plays(players)
                streams[1].close()
            attached = [each for each in events if each["event"] == "edge_attached"]
            assert len(attached) == 2
            assert {each["edge"] for each in attached} == {"fra-1"}
            assert all(each["peer"].startswith(LOOPBACK) for each in attached)
    finally:
        await edge.stop()
        await core.stop()


REFUSED: list[tuple[str, tuple[str, ...], str]] = [
    ("a core for all", ("core", "--listen", "0.0.0.0:0"), "without certificates whoever does reaches the game server"),
    ("a core for all, IPv6", ("core", "--listen", "[::]:0"), "tidegate certs init"),
    ("a far core", ("edge", "--core", "127.0.0.1:1", "--core", "192.0.2.1:7400"), "the core at 192.0.2.1:7400"),
    ("a core by name", ("edge", "--core", "core.example:7400"), "or say --insecure"),
    ("no such folder", ("core", "--certificates", "nowhere"), "nowhere/certificate.pem: No such file"),
    ("an edge's", ("core", "--certificates", "certs/edge-e"), "is the certificate of edge e in r, and this is to be"),
    ("a core's", ("edge", "--certificates", "certs/core-c"), "is the certificate of core c in r, and this is to be"),
    ("an admin's", ("edge", "--certificates", "certs/admin-a"), "is the certificate of admin a, and this is to be"),
    ("expired", ("edge", "--certificates", "certs/edge-old"), "the certificate expired on"),
    ("not yet", ("edge", "--certificates", "certs/edge-early"), "the certificate holds from"),
    ("revoked", ("edge", "--certificates", "certs/edge-out"), "this certificate of edge out in r is revoked"),
    ("another's key", ("edge", "--certificates", "certs/edge-mixed"), "key.pem is not the key of"),
    ("another name", ("edge", "--certificates", "certs/edge-e", "--name", "f"), "edge.name is f: set what"),
    ("half a set", ("edge", "--set", "tls.key_file=k"), "tls.certificate_file: is missing: tls.key_file is set"),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates of all kinds."""
    folder = tmp_path_factory.mktemp("shelf")
    made = office(folder / "certs")
    for identity in (Identity("edge", "e", "r"), Identity("core", "c", "r"), Identity("admin", "a")):
        made.issue(identity)
    made.expired(Identity("edge", "old", "r"))
    made.early(Identity("edge", "early", "r"))
    made.issue(Identity("edge", "out", "r"))
    made.authority.revoke("out")
    mixed = made.issue(Identity("edge", "mixed", "r"))
    mixed.key.write_bytes((folder / "certs" / "edge-e" / "key.pem").read_bytes())
    return folder


@pytest.mark.parametrize(("arguments", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_does_not_start_says_why(shelf: Path, arguments: tuple[str, ...], says: str) -> None:
    status, said = await tidegate(shelf, *arguments)
    assert status == 2
    assert says in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 3


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("edge-e", 0, "tidegate: the certificate is of edge e in r"),
        ("core-c", 0, "tidegate: the certificate is of core c in r"),
        ("admin-a", 2, "is an admin's certificate, and no relay's"),
        ("edge-old", 2, "the certificate expired on"),
        ("edge-mixed", 2, "is not the key of"),
        ("edge-none", 2, "No such file"),
    ],
)
async def test_check_config_reads_certificates(shelf: Path, name: str, status: int, says: str) -> None:
    (shelf / f"{name}.toml").write_text(
        f'[tls]\ncertificate_file = "certs/{name}/certificate.pem"\nkey_file = "certs/{name}/key.pem"\n'
        f'authority_file = "certs/{name}/authority.pem"\nrevoked_file = "certs/{name}/revoked.pem"\n'
    )
    ended, said = await tidegate(shelf, "check-config", "-c", f"{name}.toml")
    assert (ended, says in said) == (status, True), said


async def test_insecure_starts_anywhere(tmp_path: Path) -> None:
    async with running_origin(echo) as origin:
        core = Child("core")
        try:
            game = ("--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
            await core.start("core", "--listen", "0.0.0.0:0", "--insecure", *game)
        finally:
            await core.stop()
