"""The commands ``certs``: what they print, what they refuse, and what they leave behind."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidegate.commands import app


def certs(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["certs", *arguments, "--folder", str(folder)], prog_name="tidegate")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority with an edge, a core and an admin."""
    folder = tmp_path / "certs"
    for line in ("init", "issue edge fra-1 --region eu", "issue core core-1", "issue admin anna"):
        assert certs(folder, *line.split()).exit_code == 0
    return folder


def test_the_list(folder: Path) -> None:
    lines = [line.split() for line in certs(folder, "list").stdout.splitlines()]
    assert lines[0] == ["ROLE", "NAME", "REGION", "STATE", "EXPIRES", "SERIAL"]
    assert [line[:3] for line in lines[1:3]] == [["edge", "fra-1", "eu"], ["core", "core-1", "local"]]
    assert lines[3][:3] == ["admin", "anna", "valid"]


def test_the_list_for_programs(folder: Path) -> None:
    certs(folder, "renew", "edge/fra-1")
    certs(folder, "revoke", "core-1")
    newest = json.loads(certs(folder, "list", "--json").stdout)["certificates"]
    everything = json.loads(certs(folder, "list", "--all", "--json").stdout)["certificates"]
    assert [(each["role"], each["state"]) for each in newest] == [
        ("edge", "valid"),
        ("core", "revoked"),
        ("admin", "valid"),
    ]
    assert len(everything) == 4
    fields = {"serial", "role", "name", "region", "issued", "expires", "revoked", "authority", "state"}
    assert set(newest[0]) == fields
    shown = json.loads(certs(folder, "show", "fra-1", "--json").stdout)["certificates"]
    assert [each["serial"] for each in shown] == [everything[0]["serial"], everything[3]["serial"]]


GOOD = [
    ("show fra-1", ["edge fra-1 in eu: valid", "  serial   ", "  files    "]),
    ("renew", ["Nothing ends within 30 days."]),
    (
        "renew --within 100",
        ["edge-fra-1: edge fra-1 in eu, until ", "core-core-1: core", "admin-anna: "],
    ),
    ("renew edge/fra-1 core-1 --days 5", ["edge fra-1 in eu, until ", "core core-1 in local, until "]),
    ("revoke fra-1", ["revoked: edge fra-1 in eu, serial ", "revoked.pem to every relay."]),
    ("issue edge nyc-1 --region us", ["edge-nyc-1: edge nyc-1 in us, until ", "tidegate edge --certificates "]),
    ("issue admin ben", ["admin-ben: admin ben, until ", "--certificates "]),
]


@pytest.mark.parametrize(("line", "says"), GOOD, ids=[line for line, _ in GOOD])
def test_what_works(folder: Path, line: str, says: list[str]) -> None:
    result = certs(folder, *line.split())
    assert result.exit_code == 0
    for text in says:
        assert text in result.stdout


def test_a_change_of_authority(folder: Path) -> None:
    before = json.loads(certs(folder, "list", "--json").stdout)["certificates"][0]["authority"]
    assert f"{before}  until " in certs(folder, "authority", "show").stdout
    made = certs(folder, "authority", "new").stdout
    assert "a second authority" in made
    assert "authorities_trusted=2" in made
    shown = certs(folder, "authority", "show").stdout.splitlines()
    assert [line.split("  ")[-1] for line in shown[:2]] == ["issues certificates", "is trusted, and issues nothing yet"]
    assert shown[2] == "Next: tidegate certs authority switch"
    switched = certs(folder, "authority", "switch").stdout
    assert "edge-fra-1: edge fra-1 in eu, until " in switched
    after = json.loads(certs(folder, "list", "--json").stdout)["certificates"]
    assert {each["authority"] for each in after} != {before}
    assert f"authority={after[0]['authority']}:" in switched
    assert f"{before}  until " in certs(folder, "authority", "show").stdout.splitlines()[1]
    assert f"{before} is trusted no more" in certs(folder, "authority", "retire").stdout
    assert certs(folder, "authority", "show").stdout.splitlines()[1:] == ["To change it: tidegate certs authority new"]


WRONG = [
    ("authority switch", "there is no second authority to switch to; make one: tidegate certs authority new"),
    ("authority retire", "there is no authority of before"),
    ("init", "has an authority already"),
    ("issue edge fra-1 --region eu", "has a certificate until"),
    ("issue edge a/b --region eu", "'a/b' is no name: write 1 to 64 letters"),
    ("issue edge b --region e\u00fc", "is no region"),
    ("issue core c --days 0", "is for 1 to 825 days"),
    ("renew edge/nobody", "nothing was issued for 'edge/nobody'"),
    ("revoke nobody", "nothing was issued for 'nobody'"),
    ("show nobody", "nothing was issued for 'nobody'"),
]


@pytest.mark.parametrize(("line", "says"), WRONG, ids=[line for line, _ in WRONG])
def test_what_is_refused_in_a_sentence(folder: Path, line: str, says: str) -> None:
    result = certs(folder, *line.split())
    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "line", ["list", "renew", "revoke x", "show x", "issue core c", "authority new", "authority show"]
)
def test_without_an_authority(tmp_path: Path, line: str) -> None:
    result = certs(tmp_path / "none", *line.split())
    assert result.exit_code == 1
    assert "has no authority; make one: tidegate certs init" in result.stderr
