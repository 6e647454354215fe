"""What cores publish of themselves, and what anybody else may have written in its place."""

import json

import pytest

from core.admin.entries import CORES, EDGES, SELF, CoreEntry, EdgeEntry, SessionEntry, decode_entry, encode_entry
from core.admin.fleet import read_fleet
from core.store.memory import MemoryStore


@pytest.mark.parametrize(
    "entry",
    [
        CoreEntry(name="core-1", problems=("a", "b"), epoch=1_790_000_000_000_000, frames_per_second=1.5),
        EdgeEntry(name="edge-1", process="p", core="core-1", sessions=2, is_draining=True),
        SessionEntry(id="0" * 32, core="core-1", edge="edge-1", account="ö?"),
    ],
)
def test_an_entry_comes_back_as_it_was(entry: CoreEntry | EdgeEntry | SessionEntry) -> None:
    assert decode_entry(type(entry), encode_entry(entry)) == entry


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"name": 1}',
        b'{"name": "x", "sessions": -1}',
        b'{"name": "x", "sessions": 1e400}',
        b'{"name": "x", "since": NaN}',
        json.dumps({"name": "x" * 257}).encode(),
        json.dumps({"name": "x", "problems": ["y"] * 17}).encode(),
        json.dumps({"name": "x", "later": "y" * 9000}).encode(),
        b"[" * 5000,
    ],
)
def test_what_is_none_is_not_read(raw: bytes) -> None:
    assert decode_entry(CoreEntry, raw) is None


def test_what_a_later_version_adds_is_not_looked_at() -> None:
    assert decode_entry(CoreEntry, b'{"name": "x", "later": 1}') == CoreEntry(name="x")


async def test_an_edge_of_several_tunnels_is_counted_once_and_is_as_well_as_its_best() -> None:
    store = MemoryStore()
    store.own(CORES, SELF, encode_entry(CoreEntry(name="core-1")))
    store.own(CORES, "other", b"ignored: a core has one field")
    path = EdgeEntry(name="e", process="p", core="core-1", since=1, sessions=5, capacity=9, has_reported=True)
    away = {"core": "core-2", "since": 2.0, "away_since": 3.0, "sessions": 5, "has_reported": False}
    store.own(EDGES, "one", encode_entry(path))
    store.own(EDGES, "two", encode_entry(path.model_copy(update=away)))
    store.own(EDGES, "three", encode_entry(path.model_copy(update={"process": "q", "sessions": 2})))
    store.own(EDGES, "bad", b"nonsense")
    fleet = await read_fleet(store)
    (edge,) = fleet.edges
    assert (edge.workers, edge.sessions, edge.capacity, edge.health.word) == (2, 7, 18, "serving")
    assert [(each.core, bool(each.away_since)) for each in edge.paths] == [
        ("core-1", False),
        ("core-2", True),
        ("core-1", False),
    ]
    assert (fleet.unreadable, fleet.is_partial) == (1, False)


async def test_an_edge_without_any_tunnel_is_critical() -> None:
    store = MemoryStore()
    store.own(EDGES, "one", encode_entry(EdgeEntry(name="e", process="p", core="c", away_since=1.0)))
    (edge,) = (await read_fleet(store)).edges
    assert (edge.health.word, edge.health.problems) == ("critical", ("it has no tunnel to any core",))
