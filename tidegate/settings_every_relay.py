"""The sections that edges and cores have alike: how relays find one another, prove themselves, are watched, and log.

Put beside the others by `tidegate.settings_models`.
"""

from typing import Literal

from pydantic import Field

from fleet.address import Address
from tidegate.settings_addresses import Advertised, OptionalListen, TargetAddress
from tidegate.settings_section import Section
from tidegate.settings_texts import ServicePrefix, Token


class DiscoverySettings(Section):
    """How edges and cores find one another (docs/discovery.md)."""

    kind: Literal["static", "consul"] = Field(
        "static", description="`static`: edges use `edge.core`, nobody registers; `consul`: all register in Consul."
    )
    advertise: Advertised = Field(
        "", description="Where others reach this relay; empty is where it listens, which must then be one address."
    )
    service_prefix: ServicePrefix = Field(
        "tidegate", description="Services are called this with `-core` or `-edge`; other fleets need another."
    )
    cache_file: str = Field(
        "", description="What files begin with that keep the relays found last, for a start while Consul is away."
    )
    consul_address: TargetAddress = Field(
        Address("127.0.0.1", 8500), description="The Consul agent, best the one on the same machine."
    )
    consul_token: Token = Field(
        "", repr=False, description="Our token; not shown. Better in a file. Without either, that of CONSUL_HTTP_TOKEN."
    )
    consul_token_file: str = Field("", description="File that holds our token; wins over `consul_token`.")
    consul_datacenter: str = Field("", description="Where to look for relays; empty is the agent's own datacenter.")
    consul_authority_file: str = Field("", description="Who signs the agent's certificate (PEM); with it, TLS is used.")
    consul_certificate_file: str = Field("", description="Our certificate for the agent (PEM), where it wants one.")
    consul_key_file: str = Field("", description="The certificate's key (PEM); empty where it is in the same file.")


class TlsSettings(Section):
    """What edges and cores prove themselves by (docs/security.md); `--certificates FOLDER` names all four files."""

    certificate_file: str = Field("", description="This relay's certificate; empty goes without, on one machine.")
    key_file: str = Field("", description="Its private key, which only the relay's user should be able to read.")
    authority_file: str = Field("", description="Who issued all certificates; two while a fleet changes to another.")
    revoked_file: str = Field("", description="The list of certificates taken back; empty accepts all that hold.")
    insecure: bool = Field(
        default=False,
        description="Go without certificates also between machines: only where nobody else reaches the core.",
    )


class HttpSettings(Section):
    """Metrics, health and the list of edges over HTTP (docs/metrics.md); every process has its own."""

    listen: OptionalListen = Field(
        "",
        description="Where to answer; empty is nowhere, port 0 takes any. Worker N of several answers N - 1 ports on.",
    )


class LogSettings(Section):
    """What a process says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["auto", "json", "text"] = Field(
        "auto",
        description="`json` lines, readable `text`, or `auto`: text on a terminal and JSON otherwise.",
    )
    stats_seconds: float = Field(
        0.0,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="How often a process logs its counters; 0 is never.",
    )
