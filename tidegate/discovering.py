"""Builds discovery from settings and joins it to a relay: what the relay says of itself, and who it is told of.

Called by `tidegate.serve`. What Consul needs is loaded only where the settings say that Consul is used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from core.core import Core
from edge.edge import Edge
from fleet.address import Address, parse_address
from fleet.discovery.discovery import Discovery, StaticDiscovery
from fleet.discovery.metadata import Wanted
from fleet.records import Found, Record, Role
from tidegate import __version__
from tidegate.certificates import is_allowed
from tidegate.errors import StartError
from tidegate.settings import Settings
from tidegate.settings_addresses import advertised_address
from tidegate.settings_every_relay import DiscoverySettings
from tunnel.options import PROTOCOL_VERSION

if TYPE_CHECKING:
    from fleet.discovery.consul_discovery import Look

_log = structlog.get_logger("tidegate")

NO_CERTIFICATES = "it is on another machine, and this edge has no certificates (tls.certificate_file)"

OnCores = Callable[[Sequence[Record]], None]


def core_addresses(settings: Settings) -> Sequence[Address]:
    """Return the cores that an edge has from the start: none where Consul will bring them."""
    return () if settings.discovery.kind == "consul" else settings.edge.core


def discover_for_core(settings: Settings, core: Core, worker: int = 1) -> Discovery:
    """Return discovery for a core, which lists the whole fleet; raises StartError where nobody could reach the core."""
    if settings.discovery.kind == "static":
        return StaticDiscovery(())
    from fleet.discovery.consul_discovery import Look

    ours = settings.core
    listen = Address(ours.listen.host, core.port)
    address = advertised(settings.discovery, listen, "core.listen")

    def describe() -> Record:
        return Record(
            role="core",
            name=ours.name,
            address=address,
            region=ours.region,
            software_version=__version__,
            protocol_version=PROTOCOL_VERSION,
            game=settings.game.name,
            capacity=core.max_sessions,
            sessions=core.running_sessions,
            health=core.health,
        )

    looks: Mapping[Role, Look] = {
        "core": Look(Wanted("core", settings.game.name, PROTOCOL_VERSION), _tell_nobody),
        "edge": Look(Wanted("edge"), _tell_nobody),
    }
    return _consul(settings.discovery, looks, describe, worker)


def discover_for_edge(settings: Settings, edge: Edge, on_cores: OnCores, worker: int = 1) -> Discovery:
    """Return discovery for an edge; ``on_cores`` is told which cores to use. Raises StartError.

    What the disk has kept of cores is told before this returns.
    """
    if settings.discovery.kind == "static":
        return StaticDiscovery(settings.edge.core)
    from fleet.discovery.consul_discovery import Look

    ours = settings.edge
    listen = Address(edge.address.host, edge.address.port)
    address = parse_address(ours.public) if ours.public else advertised(settings.discovery, listen, "edge.listen")

    def describe() -> Record | None:
        if edge.has_handed_over:
            return None
        tunnel = edge.tunnel
        return Record(
            role="edge",
            name=ours.name,
            address=address,
            region=ours.region,
            software_version=__version__,
            protocol_version=PROTOCOL_VERSION,
            game=tunnel.policy.game if tunnel is not None else ours.game,
            capacity=edge.max_sessions,
            sessions=edge.running_sessions,
            probes_at=edge.probes.probes_at,
            health=edge.health,
        )

    forbidden: set[Address] = set()

    def tell(found: Found) -> None:
        allowed = [record for record in found.records if is_allowed(settings, record.address)]
        for record in found.records:
            if record not in allowed and record.address not in forbidden:
                forbidden.add(record.address)
                _log.error("core_not_used", core=record.name, address=str(record.address), reason=NO_CERTIFICATES)
        if found.records or not found.is_stale:  # before the first answer, none is not known to be none
            on_cores(allowed)

    looks: Mapping[Role, Look] = {"core": Look(Wanted("core", ours.game, PROTOCOL_VERSION), tell)}
    return _consul(settings.discovery, looks, describe, worker)


def advertised(ours: DiscoverySettings, listen: Address, key: str) -> Address:
    """Return where others reach a relay that listens there; raises StartError where that cannot be known."""
    if ours.advertise:
        return advertised_address(ours.advertise, listen.port)
    if listen.is_unspecified:
        raise StartError(
            f"{key} is {listen}, which is no address for others: say by which they reach this relay, "
            f"such as discovery.advertise = 203.0.113.7"
        )
    return listen


def _tell_nobody(_: Found) -> None:
    """Somebody looks at what was found when he wants to know."""


def _consul(
    ours: DiscoverySettings, looks: "Mapping[Role, Look]", describe: Callable[[], Record | None], worker: int
) -> Discovery:
    from fleet.discovery.consul_client import ConsulConfig, ConsulError, check_files
    from fleet.discovery.consul_discovery import ConsulDiscovery

    config = ConsulConfig(
        address=ours.consul_address,
        token=ours.consul_token,
        token_file=ours.consul_token_file,
        datacenter=ours.consul_datacenter,
        authority_file=ours.consul_authority_file,
        certificate_file=ours.consul_certificate_file,
        key_file=ours.consul_key_file,
    )
    try:
        check_files(config)
    except ConsulError as error:
        raise StartError(f"discovery by Consul: {error}") from error
    discovery = ConsulDiscovery(config, ours.service_prefix, ours.cache_file, looks, describe, worker)
    discovery.recall()
    return discovery
