"""What Consul answers: good entries become records, everything else is ignored with a reason and never raises."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.address import Address
from fleet.discovery.entries import MAX_ENTRIES, SILENCE, is_silent, read_entries
from fleet.discovery.metadata import Wanted
from fleet.health import Health
from fleet.records import Record
from tests.fleet.discovery.answers import CORE, entry, meta

WANTED = Wanted("core", "pko", 3)


def test_what_a_relay_registers_comes_back() -> None:
    assert read_entries([entry()], WANTED) == ((CORE,), ())


def test_an_edge_needs_no_game() -> None:
    edge = Record("edge", "edge-1", Address("2001:db8::1", 1973), probes_at="[2001:db8::1]:1974")
    assert read_entries([entry(edge)], Wanted("edge")) == ((edge,), ())


def test_without_an_address_of_its_own_it_is_at_its_node() -> None:
    (record,), _ = read_entries([entry(Address="")], WANTED)
    assert record.address == Address("10.0.0.9", 7400)


@pytest.mark.parametrize(
    ("status", "output", "health"),
    [
        ("passing", "serving", Health()),
        ("warning", "", Health((f"{SILENCE} yet: it has only just registered",))),
        ("critical", "draining", Health(is_draining=True)),
        ("critical", "the game server does not answer", Health(("the game server does not answer",))),
        ("critical", "TTL expired", Health((f"{SILENCE}: TTL expired",))),
        ("critical", "", Health(("its check 'can serve' says 'critical'",))),
        ("purple", "", Health(("its check 'can serve' says 'purple'",))),
        ("critical", "a\nb\x00" + "x" * 1000, Health(("a b " + "x" * 196,))),
    ],
)
def test_checks_become_health(status: str, output: str, health: Health) -> None:
    (record,), ignored = read_entries([entry(status=status, output=output)], WANTED)
    assert record.health == health
    assert ignored == ()
    assert is_silent(record) == (status == "warning" or output == "TTL expired")


def test_a_node_that_is_away_is_silence() -> None:
    away = entry()
    away["Checks"][0].update(Status="critical", Output="Agent not live")  # type: ignore[index]
    (record,), _ = read_entries([away], WANTED)
    assert record.health.problems == (f"{SILENCE}: Agent not live",)
    assert is_silent(record)


def test_a_warning_of_the_operators_own_check_changes_nothing() -> None:
    warned = entry()
    warned["Checks"][0].update(Status="warning", Output="disk nearly full")  # type: ignore[index]
    assert read_entries([warned], WANTED) == ((CORE,), ())


def test_what_nobody_checks_is_not_serving() -> None:
    unchecked = {**entry(), "Checks": []}
    (record,), _ = read_entries([unchecked], WANTED)
    assert record.health.problems == ("nothing checks whether it can serve",)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "no service as Consul describes one"),
        (17, "no service as Consul describes one"),
        ({}, "no service as Consul describes one"),
        ({"Service": [], "Node": "x", "Checks": 5}, "no service as Consul describes one"),
        (entry(Meta=None), "metadata is not Tidegate's"),
        (entry(Meta={}), "metadata is not Tidegate's"),
        (entry(Meta=meta(role="edge")), "its role is 'edge', not core"),
        (entry(Meta=meta(role=5)), "its role is no text"),
        (entry(Meta=meta(name="")), "its name ''"),
        (entry(Meta=meta(name="a b")), "its name 'a b'"),
        (entry(Meta=meta(name="x" * 65)), "its name"),
        (entry(Meta=meta(name="core-1\n")), "its name"),
        (entry(Meta=meta(region="e u")), "its region 'e u'"),
        (entry(Meta=meta(version="1" * 33)), "its version"),
        (entry(Meta=meta(protocol="3.0")), "its protocol '3.0' is not a whole number"),
        (entry(Meta=meta(protocol="٣")), "its protocol"),
        (entry(Meta=meta(protocol="2")), "it speaks protocol version 2, this relay 3"),
        (entry(Meta=meta(protocol="")), "no protocol version"),
        (entry(Meta=meta(game="")), "no game"),
        (entry(Meta=meta(game="echo")), "its game is echo, not pko"),
        (entry(Meta=meta(capacity="-1")), "its capacity '-1'"),
        (entry(Meta=meta(sessions="9" * 5000)), "its sessions '999"),
        (entry(Meta=meta(probes_at="nowhere")), "its probes_at"),
        (entry(Port=0), "its port is 0"),
        (entry(Port=70000), "the port '70000'"),
        (entry(Port=-1), "the port '-1'"),
        (entry(Port="7400"), "no address and port"),
        (entry(Port=True), "no address and port"),
        (entry(Address=5), "no address and port"),
        (entry(Address="0.0.0.0"), "where nobody can connect"),
        (entry(Address="224.0.0.1"), "where nobody can connect"),
        (entry(Address="http://x"), "is not an IP address"),
        (entry(Address="a b"), "is not a host name"),
        (entry(Address="x" * 5000), "is not a host name"),
    ],
)
def test_what_is_no_relay_of_ours_is_ignored(found: object, reason: str) -> None:
    records, ignored = read_entries([found, entry()], WANTED)
    assert records == (CORE,)
    assert len(ignored) == 1
    assert reason in ignored[0].reason
    assert len(ignored[0].place) + len(ignored[0].reason) < 400


def test_workers_of_one_core_are_one_record() -> None:
    second = replace(CORE, capacity=500, sessions=3)
    found = [entry(number=1, status="critical", output="TTL expired"), entry(second, number=2)]
    (record,), ignored = read_entries(found, WANTED)
    assert (record.capacity, record.sessions, record.health) == (1500, 20, Health())
    assert ignored == ()


def test_of_two_with_one_name_the_one_that_serves_is_used() -> None:
    moved = replace(CORE, address=Address("10.0.0.6", 7400))
    records, ignored = read_entries([entry(status="critical", output="TTL expired"), entry(moved)], WANTED)
    assert records == (moved,)
    assert [(each.place, each.reason) for each in ignored] == [
        ("core at 10.0.0.5:7400", "its name core-1 is that of the core at 10.0.0.6:7400, too")
    ]


def test_of_two_at_one_address_the_first_is_used() -> None:
    other = replace(CORE, name="core-2")
    records, ignored = read_entries([entry(other), entry()], WANTED)
    assert records == (CORE,)
    assert [each.reason for each in ignored] == ["core-1 is at 10.0.0.5:7400, too, and was there first"]


def test_a_flood_is_cut() -> None:
    many = [entry(replace(CORE, name=f"c-{i:05}", address=Address("10.1.0.1", i + 1))) for i in range(MAX_ENTRIES + 50)]
    records, ignored = read_entries(many, WANTED)
    assert len(records) == MAX_ENTRIES
    assert [each.reason for each in ignored] == ["306 services are registered: only 256 of them are looked at"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(entry()["Service"])), JSON), JSON, JSON)  # type: ignore[call-overload]
def test_anything_is_a_record_or_a_reason(changed: dict[str, object], checks: object, whole: object) -> None:
    service = {**entry()["Service"], **changed}  # type: ignore[dict-item]
    found: list[object] = [{**entry(), "Service": service, "Checks": checks}, whole]
    records, ignored = read_entries(found, WANTED)
    assert len(records) + len(ignored) == 2
    assert all(each.reason for each in ignored)
