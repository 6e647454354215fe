"""Certificates that end and authorities that change, under real processes with a session that must not end."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.identity import Identity
from tests.certificates import office
from tests.relays import LOOPBACK, Streams, echo, running_origin
from tests.test_tls_processes import ANY_PORT, FRAME, tidegate
from tidegate.children import Child

pytestmark = pytest.mark.timeout(120)  # several processes, and files that are looked at every second

PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
Events = list[Mapping[str, Any]]


@dataclass
class Place:
    """An edge and a core, each on a machine with a folder of its own, and one who plays all the time."""

    certs: Path
    machines: Path
    said: dict[str, Events] = field(default_factory=lambda: {"edge-fra-1": [], "core-core-1": []})
    rounds: int = 0

    def copy(self, relay: str) -> None:
        """Copy a relay's folder to its machine, file by file, as `scp` would."""
        to = self.machines / relay
        to.mkdir(parents=True, exist_ok=True)
        for file in sorted((self.certs / relay).iterdir()):
            fresh = to / f".{file.name}"
            fresh.write_bytes(file.read_bytes())
            fresh.chmod(0o600)
            os.replace(fresh, to / file.name)

    def refused(self, reason: str) -> int:
        """How many the core has said that it refused or cut off, of those seen so far."""
        return sum(each.get(reason, 0) for each in self.said["core-core-1"] if each["event"] == "connections_refused")

    async def says(self, relay: str, event: str, after: int = 0, **fields: object) -> Mapping[str, Any]:
        """Wait until a relay says something, not counting the first lines."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for each in self.said[relay][after:]:
                    if each["event"] == event and fields.items() <= each.items():
                        return each
                await asyncio.sleep(PAUSE_SECONDS)

    async def takes(self, order: Sequence[str], **fields: object) -> None:
        """Copy each relay's folder, and wait until it has taken it as it should."""
        for relay in order:
            before = len(self.said[relay])
            self.copy(relay)
            await self.says(relay, "certificates_loaded", before, **fields)

    async def play(self, streams: Streams) -> None:
        """Send and hear until cancelled; whoever ends the session fails it."""
        while True:
            streams[1].write(FRAME)
            assert await streams[0].readexactly(len(FRAME)) == FRAME
            self.rounds += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def goes_on(self) -> None:
        """Wait for some rounds more."""
        wanted = self.rounds + 10
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.rounds < wanted:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def playing(place: Place) -> AsyncIterator[None]:
    """Start both relays with what is on their machines, and one who plays until the end."""
    children = {name: Child(name, events.append) for name, events in place.said.items()}
    for name in children:
        place.copy(name)
    own = {name: ("--certificates", str(place.machines / name), "--log-format", "json") for name in children}
    try:
        async with running_origin(echo) as origin:
            game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
            at = await children["core-core-1"].start("core", *game, *own["core-core-1"])
            edge = children["edge-fra-1"]
            players = await edge.start("edge", "--listen", ANY_PORT, "--core", str(at), *own["edge-fra-1"])
            streams = await asyncio.open_connection(players.host, players.port)
            async with asyncio.TaskGroup() as tasks:
                one = tasks.create_task(place.play(streams), name="one who plays")
                await place.goes_on()
                yield
                await place.goes_on()
                one.cancel()
            streams[1].close()
    finally:
        for child in reversed(children.values()):
            await child.stop()


BOTH = ("core-core-1", "edge-fra-1")


@pytest.mark.parametrize("is_edge_first", [True, False], ids=["edge first", "core first"])
async def test_a_fleet_changes_to_another_authority_while_players_play(tmp_path: Path, is_edge_first: bool) -> None:
    for line in ("init", "issue core core-1", "issue edge fra-1 --region eu"):
        assert (await tidegate(tmp_path, "certs", *line.split()))[0] == 0
    place = Place(tmp_path / "certs", tmp_path / "machines")
    order = tuple(reversed(BOTH)) if is_edge_first else BOTH
    async with playing(place):
        status, said = await tidegate(tmp_path, "certs", "authority", "new")
        assert status == 0, said
        new = said.split("second authority, ")[1].split(",")[0]
        await place.takes(order, authorities_trusted=2)
        await place.goes_on()

        status, said = await tidegate(tmp_path, "certs", "authority", "switch")
        assert status == 0, said
        await place.takes(order, authorities_trusted=2, authority=new)
        await place.goes_on()
        for events in place.said.values():
            assert not [each for each in events if each["event"] == "core_away"], "so far nothing was made anew"

        status, said = await tidegate(tmp_path, "certs", "authority", "retire")
        assert status == 0, said
        await place.takes(order, authorities_trusted=1, authority=new)
        away = await place.says("edge-fra-1", "core_away")
        await place.goes_on()
        if is_edge_first:
            assert "not trusted any more" in away["reason"]
        assert place.refused("unknown_authority") == (0 if is_edge_first else 1)
    unusable = [each for events in place.said.values() for each in events if each["event"] == "certificates_unusable"]
    assert len(unusable) <= 2, "a set that was looked at while it was copied, at most"


async def test_an_edge_whose_certificate_ends_is_cut_off_and_its_player_plays_on_with_the_next(tmp_path: Path) -> None:
    made = office(tmp_path / "certs")
    made.issue(Identity("core", "core-1", "eu"))
    made.ending(Identity("edge", "fra-1", "eu"), 15)
    place = Place(tmp_path / "certs", tmp_path / "machines")
    async with playing(place):
        assert not place.refused("expired"), "the processes took long to start: the certificate has ended already"
        await place.says("edge-fra-1", "certificate_ends_soon")
        away = await place.says("edge-fra-1", "core_away")
        assert away["reason"]
        await place.says("edge-fra-1", "certificate_expired")
        before = place.rounds
        while not place.refused("expired"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(PAUSE_SECONDS)
        refused = [each for each in place.said["core-core-1"] if each.get("expired")]
        assert "of edge fra-1 in eu expired on" in refused[0]["last_why"]
        assert place.rounds <= before + 1, "nothing goes through"
        made.authority.renew("edge", "fra-1")
        await place.takes(("edge-fra-1",), authorities_trusted=1)


async def test_an_edge_that_is_revoked_is_cut_off_when_the_core_gets_the_list(tmp_path: Path) -> None:
    made = office(tmp_path / "certs")
    for identity in (Identity("core", "core-1", "eu"), Identity("edge", "fra-1", "eu")):
        made.issue(identity)
    place = Place(tmp_path / "certs", tmp_path / "machines")
    async with playing(place):
        made.authority.revoke("edge/fra-1")
        await place.takes(("core-core-1",), revoked=1)
        await place.says("edge-fra-1", "core_away")
        while not place.refused("revoked"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(PAUSE_SECONDS)
        made.issue(Identity("edge", "fra-1", "eu"))
        await place.takes(("edge-fra-1",), revoked=1)
