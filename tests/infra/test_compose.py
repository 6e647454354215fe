"""compose.yaml, as far as can be without an engine: what it names is there, fits together, and our command takes it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from fleet.address import Address
from tests.infra.units import ROOT, WITHOUT_CERTIFICATES
from tidegate.commands import app
from tidegate.settings import Settings, load_settings

FILE = ROOT / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service and name != "certs")
SETTINGS = "/etc/tidegate/tidegate.toml"

KNOWN_KEYS = {
    *("build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment", "extra_hosts"),
    *("healthcheck", "hostname", "image", "init", "logging", "network_mode", "networks", "ports", "read_only"),
    *("restart", "security_opt", "stop_grace_period", "tmpfs", "ulimits", "user", "volumes"),
}
"""Of the Compose specification's keys of a service, those that are used here."""

DURATION = re.compile(r"^\d+(ms|s|m|h)$")


def with_defaults(value: str) -> str:
    """Put in the defaults of what compose takes from the environment."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def environment_of(name: str) -> dict[str, str]:
    given = {key: with_defaults(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}
    return {**image_environment(), **given}


def image_environment() -> dict[str, str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return {name: value for name, _, value in (word.partition("=") for word in shlex.split(line)) if "TIDEGATE" in name}


def mounts(name: str) -> list[list[str]]:
    return [volume.split(":") for volume in SERVICES[name].get("volumes", [])]


def settings_file(name: str) -> Path:
    (source,) = [mount[0] for mount in mounts(name) if mount[1] == SETTINGS]
    return ROOT / source


def flags(name: str) -> dict[str, object]:
    """The settings that a service's command line gives."""
    words = SERVICES[name]["command"][3:]
    return {f"edge.{flag.removeprefix('--')}": value for flag, value in zip(words[::2], words[1::2], strict=True)}


def settings_of(name: str) -> Settings:
    return load_settings(settings_file(name), environment_of(name), flags(name))


def test_the_network_is_whole() -> None:
    assert set(SERVICES) == {"certs", "core", "edge-1", "edge-2", "redis", "consul", "prometheus"}
    assert OURS == ["core", "edge-1", "edge-2"]
    assert set(COMPOSE) - {"x-relay"} == {"name", "services", "networks", "volumes"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_sound(name: str) -> None:
    service = SERVICES[name]
    assert set(service) - {"<<"} <= KNOWN_KEYS
    assert re.match(r"^[a-z0-9./-]+:[\w.-]+$", service["image"])
    assert not service["image"].endswith(":latest")
    for other, how in service.get("depends_on", {}).items():
        assert other in SERVICES
        ends = "restart" not in SERVICES[other]
        assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}
        assert ends or other in OURS or "healthcheck" in SERVICES[other], f"{other} never gets healthy"
    for network in service.get("networks", []):
        assert network in COMPOSE["networks"]
    for source, target, *mode in mounts(name):
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).is_file(), source
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]
    check = service.get("healthcheck", {})
    assert check in ({}, {"disable": True}) or check["test"][0] == "CMD"
    assert all(DURATION.match(check[key]) for key in ("interval", "timeout") if key in check)


def test_every_volume_and_network_is_used() -> None:
    used = {mount[0] for name in SERVICES for mount in mounts(name)}
    assert set(COMPOSE["volumes"]) <= used
    assert set(COMPOSE["networks"]) == {
        network for service in SERVICES.values() for network in service.get("networks", [])
    }


@pytest.mark.parametrize("name", OURS)
def test_our_command_takes_what_a_service_gives_it(name: str) -> None:
    command = SERVICES[name]["command"]
    assert command[1:3] == ["--config", SETTINGS]
    for arguments in ([*command, "--help"], ["check-config", "--config", str(settings_file(name))]):
        result = CliRunner().invoke(app, arguments, env={**environment_of(name), **WITHOUT_CERTIFICATES})
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", OURS)
def test_a_relay_has_time_to_drain_and_writes_to_its_volume_only(name: str) -> None:
    service, settings = SERVICES[name], settings_of(name)
    ours = settings.core if name == "core" else settings.edge
    grace = service["stop_grace_period"]
    assert DURATION.match(grace)
    assert int(grace.removesuffix("s")) > ours.drain_seconds + ours.close_linger_seconds
    assert service["read_only"] is True
    assert service["init"] is True
    written = (
        [settings.edge.policy_cache, settings.edge.bans_cache, settings.discovery.cache_file] if name != "core" else []
    )
    assert all(Path(file).parent == Path("/var/lib/tidegate") for file in written)
    volumes = {target: (source, mode) for source, target, *mode in mounts(name) if source in COMPOSE["volumes"]}
    assert volumes == {
        "/var/lib/tidegate": (f"{name}-state", []),
        "/etc/tidegate/certs": (f"{name}-certs", ["ro"]),
    }


def test_addresses_and_ports_fit_together() -> None:
    core = settings_of("core")
    for name in ("edge-1", "edge-2"):
        edge = settings_of(name)
        assert edge.edge.name == SERVICES[name]["hostname"] == name
        assert edge.discovery.advertise == f"{name}:{edge.edge.listen.port}"
        assert edge.discovery.consul_address == core.discovery.consul_address == Address("consul", 8500)
        players, probes = SERVICES[name]["ports"]
        assert players.split(":")[-1] == str(edge.edge.listen.port)
        assert probes == f"{players}/udp"
    assert core.discovery.advertise == f"core:{core.core.listen.port}"
    assert core.store.url.startswith("redis://redis:6379")
    assert settings_of("edge-1").edge.region != settings_of("edge-2").edge.region


def test_only_the_game_and_prometheus_are_published_and_prometheus_to_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"edge-1", "edge-2", "prometheus"}
    assert [port.startswith("127.0.0.1:") for port in published["prometheus"]] == [True]
    assert "outside" not in {network for name in ("core", "redis", "consul") for network in SERVICES[name]["networks"]}


@pytest.mark.timeout(60)
def test_certificates_are_made_once_for_every_relay_and_its_volume(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "tidegate"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tidegate "$@"\n')
    command.chmod(0o755)
    folder = tmp_path / "authority"
    volumes = {target: source for source, target, *_ in mounts("certs") if source in COMPOSE["volumes"]}
    assert volumes.pop("/authority") == "authority"
    folder.mkdir()
    for target in volumes:
        (folder / Path(target).name).mkdir()  # as an engine mounts them
    script = ROOT / "infra" / "compose" / "make_certs.sh"
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["sh", str(script), str(folder)], env=environment, check=True)
    assert {each.name for each in folder.iterdir() if each.is_dir()} == {Path(target).name for target in volumes}
    for name in OURS:
        settings = settings_of(name)
        role, ours = ("core", settings.core.name) if name == "core" else ("edge", settings.edge.name)
        assert volumes[f"/authority/{role}-{ours}"] == f"{name}-certs"
        for file in (settings.tls.certificate_file, settings.tls.key_file, settings.tls.authority_file):
            assert Path(file).parent == Path("/etc/tidegate/certs")
            assert (folder / f"{role}-{ours}" / Path(file).name).is_file()
        assert "authority" not in {mount[0] for mount in mounts(name)}, "a relay has no key of the authority"
    (ledger,) = folder.glob("ledger*")
    assert len(ledger.read_text().splitlines()) == len(OURS), "the second run has made nothing"


def test_nothing_secret_stands_in_it() -> None:
    text = FILE.read_text() + "".join(settings_file(name).read_text() for name in OURS)
    assert not re.search(r"(?i)(password|token|secret|://[^/\s]*:[^/\s]*@)", text)
