"""What operators see: nothing that comes from outside is a command to their terminal."""

import io

import pytest
from rich.console import Console

from protos.tidegate.admin.v1 import admin_pb2
from tidegate.admin.client import plain
from tidegate.admin.show import as_dict, ban_table, fleet_lines, fleet_table, session_table, short, spell

EVIL = "\x1b[2J[red]x[/red]\n\u202e"


def printed(*tables: object) -> str:
    out = io.StringIO()
    Console(file=out, width=300).print(*tables)
    return out.getvalue()


def test_names_from_outside_are_shown_and_do_nothing() -> None:
    status = admin_pb2.GetStatusResponse(
        cores=[admin_pb2.Core(name=EVIL, region=EVIL, version=EVIL, health="critical", problems=[EVIL])],
        edges=[admin_pb2.Edge(name=EVIL, paths=[admin_pb2.Path(core=EVIL, away_since=1.0)])],
    )
    session = admin_pb2.Session(id="0" * 32, account=EVIL, character=EVIL, edge=EVIL, address=EVIL)
    ban = admin_pb2.Ban(kind=admin_pb2.BAN_KIND_ACCOUNT, value=EVIL, reason=EVIL, by=EVIL)
    text = printed(fleet_table(status), session_table([session], has_figures=True), ban_table([ban]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]x[/red]" in text
    assert plain(EVIL) == "?[2J[red]x[/red]??"


def test_what_is_degraded_is_said_with_since_when() -> None:
    core = admin_pb2.Core(name="core-1", store_since=1.0, store_problem="no answer", store_queued=3)
    core.discovery, core.discovery_since, core.discovery_problem = "consul", 2.0, "refused"
    core.ignored.append("10.0.0.9:7400: another game")
    lines = list(fleet_lines(admin_pb2.GetStatusResponse(cores=[core], is_partial=True, asked="core-1", unreadable=2)))
    assert len(lines) == 5
    assert "since 1970-01-01 00:00:01 UTC" in lines[1]
    assert "no answer; 3 writes wait" in lines[1]
    assert "discovery (consul) does not answer since 1970" in lines[2]
    assert lines[3] == "core-1: ignored 10.0.0.9:7400: another game"


def test_json_has_every_field_and_numbers_as_numbers() -> None:
    made = as_dict(admin_pb2.GetStatusResponse(edges=[admin_pb2.Edge(name="e", sessions=2**53, problems=["p"])]))
    (edge,) = made["edges"]
    assert (edge["sessions"], edge["problems"], edge["paths"], made["is_partial"]) == (2**53, ["p"], [], False)
    assert as_dict(admin_pb2.Ban(kind=admin_pb2.BAN_KIND_ADDRESS))["kind"] == "address"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999.6, "1000"), (12_345, "12.3k"), (2_500_000, "2.5M"), (3e9, "3.0G")]
)
def test_rates_are_short(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert spell(seconds) == text
