"""The list for launchers: its schema, who is in it, and that it is bounded."""

import json
from typing import Any

from fleet.address import Address
from fleet.health import Health
from fleet.records import Record
from tidegate.ops.edges_page import MAX_EDGES, edges_page


def edge(name: str = "fra-1", port: int = 1973, **said: Any) -> Record:
    return Record("edge", name, Address(name, port), **said)


def entries(own: list[Record], fleet: list[Record] | None = None) -> list[dict[str, Any]]:
    page = json.loads(edges_page(own, fleet or []))
    assert page["version"] == 1
    edges: list[dict[str, Any]] = page["edges"]
    return edges


def test_the_schema() -> None:
    record = edge(region="eu", probes_at="fra-1:1974", sessions=847, capacity=2000, health=Health((), is_draining=True))
    assert entries([record]) == [
        {
            "name": "fra-1",
            "region": "eu",
            "address": "fra-1:1973",
            "probe": "fra-1:1974",
            "state": "draining",
            "load": 0.42,
            "sessions": 840,
        }
    ]


def test_edges_are_in_order_and_those_without_an_address_are_left_out() -> None:
    assert [each["name"] for each in entries([edge("b"), edge("nowhere", 0), edge("a")])] == ["a", "b"]


def test_the_fleet_is_merged_and_the_one_who_has_seen_more_counts() -> None:
    own = [edge("a", sessions=10, capacity=100), edge("b", sessions=10, capacity=100)]
    fleet = [edge("a", sessions=30, capacity=200), edge("b", sessions=90, capacity=100), edge("c", sessions=20)]
    assert [(each["name"], each["sessions"]) for each in entries(own, fleet)] == [("a", 30), ("b", 10), ("c", 20)]


def test_nothing_about_who_is_overfull_or_strange_breaks_it() -> None:
    (entry,) = entries([edge(region='"\n\x00é', sessions=500, capacity=100)])
    assert entry["load"] == 1.0
    assert entry["region"] == '"\n\x00é'
    assert len(entries([edge(f"e{number}") for number in range(MAX_EDGES + 50)])) == MAX_EDGES


def test_the_same_edges_give_the_same_page() -> None:
    records = [edge("a"), edge("b")]
    assert edges_page(records, []) == edges_page(list(reversed(records)), [])
