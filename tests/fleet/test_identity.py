"""Names in certificates: what can be one, and what is read back."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.identity import Identity, parse_identity

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=64)


@given(NAMES, NAMES, st.sampled_from(["edge", "core"]))
def test_what_is_written_is_read_back(name: str, region: str, role: str) -> None:
    identity = Identity("edge" if role == "edge" else "core", name, region)
    assert parse_identity(identity.uri) == identity


def test_an_admin_has_no_region() -> None:
    assert parse_identity("tidegate://admin/anna") == Identity("admin", "anna")
    with pytest.raises(ValueError, match="an admin has no region"):
        Identity("admin", "anna", "eu")


@given(st.text("a/.:\0\n é\udc80", max_size=200).map("tidegate://edge/r/".__add__))
def test_what_is_accepted_is_written_so_again(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_identity(text).uri == text


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "tidegate://",
        "tidegate://edge",
        "tidegate://edge/fra-1",
        "tidegate://edge/eu/fra-1/x",
        "tidegate://edge//fra-1",
        "tidegate://edge/eu/",
        "tidegate://admin/eu/anna",
        "tidegate://king/eu/fra-1",
        "Tidegate://edge/eu/fra-1",
        "https://edge/eu/fra-1",
        "tidegate://edge/eu/fra 1",
        "tidegate://edge/eu/fra-1\n",
        "tidegate://edge/eu/" + "a" * 65,
    ],
)
def test_no_identity(uri: str) -> None:
    with pytest.raises(ValueError, match=r"names no|is no"):
        parse_identity(uri)
