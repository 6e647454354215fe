"""The example settings: each is taken whole, they fit one another, and the form for one machine starts."""

from pathlib import Path

import pytest

from tests.relays import LOOPBACK, echo, running_origin
from tidegate.children import Child
from tidegate.settings import load_settings

FOLDER = Path(__file__).parents[2] / "examples" / "settings"
FILES = sorted(FOLDER.rglob("*.toml"))
REGIONS = FOLDER / "three-regions"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_taken_and_begins_with_what_it_is_for(file: Path) -> None:
    settings = load_settings(file, {}, {})
    assert settings.origins, "it sets something"
    assert file.read_text().startswith("# ")


def test_three_regions_fit_together() -> None:
    core = load_settings(REGIONS / "core-eu.toml", {}, {})
    edges = [load_settings(file, {}, {}).edge for file in sorted(REGIONS.glob("edge-*.toml"))]
    assert len(edges) == 3
    for edge in edges:
        assert list(edge.core) == [core.core.listen]
        assert edge.name == f"{edge.region}-1"
    for different in ("name", "region", "listen"):
        assert len({getattr(edge, different) for edge in edges}) == 3
    assert core.core.name == f"{core.core.region}-1"


@pytest.mark.parametrize("file", sorted(REGIONS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_relay_s_certificate_is_its_own(file: Path) -> None:
    settings = load_settings(file, {}, {})
    role = file.stem.partition("-")[0]
    name = settings.core.name if role == "core" else settings.edge.name
    for given, called in (
        (settings.tls.certificate_file, "certificate"),
        (settings.tls.key_file, "key"),
        (settings.tls.authority_file, "authority"),
        (settings.tls.revoked_file, "revoked"),
    ):
        assert given == f"certs/{role}-{name}/{called}.pem"


def test_metrics_of_relays_on_one_machine_have_their_own_ports() -> None:
    places = [load_settings(file, {}, {}).http.listen for file in sorted(REGIONS.glob("*.toml"))]
    assert len(set(places)) == len(places)


@pytest.mark.timeout(60)
async def test_the_form_for_one_machine_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_origin(echo) as port:
        monkeypatch.setenv("TIDEGATE_EDGE_LISTEN", f"{LOOPBACK}:0")
        monkeypatch.setenv("TIDEGATE_CORE_ORIGIN", f"{LOOPBACK}:{port}")
        monkeypatch.setenv("TIDEGATE_HTTP_LISTEN", f"{LOOPBACK}:0")
        relay = Child("up")
        try:
            await relay.start("up", "--config", str(FOLDER / "one-machine.toml"))
            await relay.finish()
        finally:
            await relay.stop()
