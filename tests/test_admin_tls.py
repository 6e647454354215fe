"""Operators on other machines: the admin service's port lets in who has an operator's certificate, and nobody else."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.core import Core
from fleet.address import Address
from fleet.admin_place import AdminPlace
from fleet.identity import Identity
from fleet.tls.credentials import Credentials
from fleet.tls.road import SecureRoad
from games.registry import load_pack
from tests.certificates import Office, office
from tests.relays import LOOPBACK, core_config, echo, free_port, running_core, running_origin
from tests.test_breaks import until
from tidegate.admin.client import AdminClient
from tidegate.admin.secure_passage import secure_passage
from tidegate.errors import StartError


@dataclass
class Place:
    """A core with certificates, and where operators reach it."""

    core: Core
    office: Office
    address: str


@asynccontextmanager
async def secure_core(folder: Path) -> AsyncIterator[Place]:
    ours = office(folder / "certs")
    address = Address(LOOPBACK, free_port())
    async with running_origin(echo) as port:
        config = replace(
            core_config(port),
            credentials=ours.core(),
            admin=AdminPlace(address=address),
            environment={"XDG_RUNTIME_DIR": str(folder)},
        )
        async with running_core(config, load_pack("echo")) as core:
            yield Place(core, ours, str(address))


def ask(address: str, folder: Path) -> list[str]:
    """Ask for the status as a command does."""
    with secure_passage(address, folder) as target, AdminClient(target, 5.0) as client:
        return [each.name for each in client.status().cores]


async def test_an_operator_is_let_in(tmp_path: Path) -> None:
    async with secure_core(tmp_path) as place:
        folder = place.office.issue(Identity("admin", "anna")).certificate.parent
        for _ in range(2):
            assert await asyncio.to_thread(ask, place.address, folder) == ["core-1"]
        assert place.core.admin.gate is not None
        assert place.core.admin.gate.accepted == 2


async def test_nobody_else_is(tmp_path: Path) -> None:
    async with secure_core(tmp_path) as place:
        gate = place.core.admin.gate
        assert gate is not None
        edge = place.office.issue(Identity("edge", "fra-1", "eu")).certificate.parent
        with pytest.raises(StartError, match="edge"):
            await asyncio.to_thread(ask, place.address, edge)
        stranger = office(tmp_path / "other").issue(Identity("admin", "mallory")).certificate.parent
        with pytest.raises(StartError, match="cannot be asked"):
            await asyncio.to_thread(ask, place.address, stranger)
        with pytest.raises(StartError, match="cannot be asked"):
            await asyncio.to_thread(ask, place.address, tmp_path)
        with AdminClient(place.address, 2.0) as client, pytest.raises(StartError):
            await asyncio.to_thread(client.status)
        assert gate.accepted == 0
        assert gate.refused


async def test_an_edges_port_lets_no_operator_in(tmp_path: Path) -> None:
    async with secure_core(tmp_path) as place:
        folder = place.office.issue(Identity("admin", "anna")).certificate.parent
        with pytest.raises(StartError, match="admin anna, and no edge"):
            await asyncio.to_thread(ask, f"{LOOPBACK}:{place.core.port}", folder)


async def test_an_operator_is_cut_off_when_his_certificate_ends(tmp_path: Path) -> None:
    async with secure_core(tmp_path) as place:
        gate = place.core.admin.gate
        assert gate is not None
        road = SecureRoad(Credentials(place.office.ending(Identity("admin", "anna"), 3), "admin"))
        async with road.open(place.address) as passage:
            with AdminClient(passage.target, 5.0) as client:
                assert (await asyncio.to_thread(client.status)).cores
                assert gate.connections == 1
                await until(lambda: gate.refused["expired"] == 1 and not gate.connections)
                with pytest.raises(StartError):
                    await asyncio.to_thread(client.status)
            assert passage.say_problem()
        await road.close()


async def test_as_a_command(tmp_path: Path) -> None:
    async with secure_core(tmp_path) as place:
        folder = place.office.issue(Identity("admin", "anna")).certificate.parent
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidegate", "status", "--json"),
            *("--admin", place.address, "--certificates", str(folder)),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        assert json.loads(output)["cores"][0]["name"] == "core-1"
