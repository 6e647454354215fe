"""Lists of edges to measure: what is one, what is refused and how."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.address import Address
from fleet.health import Health
from fleet.records import Record
from tidegate.errors import StartError
from tidegate.ops.edges_page import edges_page
from tidegate.probing.targets import MAX_LIST_BYTES, MAX_TARGETS, Target, gather, read_list


def test_what_a_core_publishes_is_read() -> None:
    records = [
        Record("edge", "a", Address("a", 1973), "eu", probes_at="a:1974"),
        Record("edge", "b", Address("b", 1973), probes_at="b:1973", health=Health(("no",))),
        Record("edge", "c", Address("c", 1973)),
    ]
    assert read_list(edges_page(records, []), "x") == [
        Target("a", Address("a", 1974), "eu"),
        Target("b", Address("b", 1973), "", is_players_port=True),
    ]


def test_addresses_and_files_together_each_once(tmp_path: Path) -> None:
    file = tmp_path / "edges.json"
    file.write_bytes(edges_page([Record("edge", "a", Address("a", 1), probes_at="a:1")], []))
    found = gather(["a:1", "[::1]:2"], file, "")
    assert [each.place for each in found] == [Address("a", 1), Address("::1", 2)]
    assert found[0].is_players_port


EDGE = {"name": "a", "region": "b", "address": "c:1", "probe": "c:1"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no list of edges"),
        (b"[]", "no list of edges"),
        (b"[" * 100_000, "no list of edges"),
        (b'{"edges": 5}', "no list of edges"),
        (b'{"edges": [{}]}', "no list of edges"),
        (b"\xff", "no list of edges"),
        (json.dumps({"edges": [{**EDGE, "name": 5}]}).encode(), "are texts"),
        (json.dumps({"edges": [{**EDGE, "probe": "nonsense"}]}).encode(), "has no port"),
        (json.dumps({"edges": [{**EDGE, "probe": "c:0"}]}).encode(), "no port to ask"),
    ],
)
def test_what_is_no_list(raw: bytes, said: str) -> None:
    with pytest.raises(StartError, match=said):
        read_list(raw, "x")


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["edges", "name", "region", "address", "probe"]), x),
    ).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_a_list_or_refused_in_a_sentence(raw: bytes) -> None:
    with contextlib.suppress(StartError):  # and nothing else
        assert all(1 <= each.place.port <= 65535 for each in read_list(raw, "x"))


def test_names_cannot_play_with_the_terminal() -> None:
    (target,) = read_list(json.dumps({"edges": [{**EDGE, "name": "\x1b[2J" + "x" * 500}]}).encode(), "x")
    assert target.name.startswith("?[2J")
    assert len(target.name) == 64


@pytest.mark.parametrize(
    ("given_", "file", "url", "said"),
    [
        ([], None, "", "0 edges"),
        (["nonsense"], None, "", "has no port"),
        (["a:0"], None, "", "no port to ask"),
        ([f"a:{port}" for port in range(1, MAX_TARGETS + 2)], None, "", f"1 to {MAX_TARGETS}"),
        ([], Path("/nonexistent"), "", "No such file"),
        ([], Path("/dev/zero"), "", f"more than {MAX_LIST_BYTES} bytes"),
        ([], None, "file:///etc/passwd", "write http://"),
        ([], None, "http://127.0.0.1:1/edges.json", "Connection refused"),
    ],
)
def test_what_cannot_be_measured(given_: list[str], file: Path | None, url: str, said: str) -> None:
    with pytest.raises(StartError, match=said):
        gather(given_, file, url)
