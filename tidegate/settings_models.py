"""What can be set: one frozen pydantic model per section, with types, bounds, units and explanations.

Read by `tidegate.settings`, which checks every source against these; docs/settings.md is tested against
them. Nothing here knows where a value comes from.

A unit stands in the name where it is a time or a size; ``UNITS`` has the others.
"""

import json
import re
import socket
from collections.abc import Mapping
from itertools import product
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.store.address import MASK, MEMORY, check_url
from core.store.names import DEFAULT_PREFIX, check_prefix
from edge.core_choice import MAX_CORES
from edge.prefixes import parse_prefix
from fleet.address import Address, parse_address
from fleet.admin_place import parse_place
from tunnel.options import DEFAULT_RING_BYTES, MAX_NAME_BYTES
from wire.credits import DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES, MIN_WINDOW_BYTES

UNITS = {
    "max_sessions": "sessions",
    "backlog": "connections",
    "workers": "processes",
    "max_per_address": "connections",
    "max_per_prefix": "connections",
    "prefix_accepts_per_second": "connections per second",
    "prefix_accepts_burst": "connections",
    "accepts_per_second": "connections per second",
    "accepts_burst": "connections",
}
"""Units of the numbers whose names do not end with one."""


TEXT_RULES = {
    "charset": "the name of a charset",
    "url": "the address of a store",
    "prefix": "a text with a hash tag",
    "game": "the name of a game, or empty",
    "advertise": "HOST or HOST:PORT",
    "service_prefix": "1 to 40 small letters, digits and dashes",
    "consul_token": "a token",
    "http.listen": "HOST:PORT, or empty",
    "edge.public": "HOST:PORT, or empty",
    "edge.probe": "HOST:PORT, or empty",
    "admin": "unix:PATH, HOST:PORT or off",
}
"""What belongs into the texts that have a rule of their own."""


def _read_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address: write HOST:PORT, such as 127.0.0.1:1973")
    return parse_address(value)


def _read_target(value: object) -> Address:
    address = _read_address(value)
    if address.port == 0:
        raise ValueError(f"{str(address)!r}: port 0 means any free port, which is for listening only; write 1 to 65535")
    return address


class Targets(tuple[Address, ...]):
    """Addresses to connect to, the preferred one first."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self))


def _read_targets(value: object) -> Targets:
    each = list(value) if isinstance(value, list | tuple) else str(value).split(",")
    if not 1 <= len(each) <= MAX_CORES:
        raise ValueError(f"{len(each)} addresses: write 1 to {MAX_CORES} of them")
    targets = Targets(_read_target(one.strip() if isinstance(one, str) else one) for one in each)
    if len(set(targets)) < len(targets):
        raise ValueError(f"{str(targets)!r} names one address twice")
    return targets


class PrefixTexts(tuple[str, ...]):
    """Addresses and prefixes as they were written; shown as TOML writes them."""

    __slots__ = ()

    def __str__(self) -> str:
        return json.dumps(self) if self else ""


def _read_prefixes(value: object) -> PrefixTexts:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(f'{str(value)[:60]!r} is not a list of texts: write one such as ["10.0.0.0/8", "192.0.2.1"]')
    for each in value:
        parse_prefix(each)
    return PrefixTexts(value)


def _read_charset(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not the name of a charset: write one such as latin-1, gbk or cp1251")
    try:
        is_text = b"A".decode(value) == "A" and "A".encode(value) == b"A"
    except (LookupError, UnicodeError, ValueError):
        is_text = False
    if not is_text:
        raise ValueError(f"{value[:40]!r} is no charset in which A is A: write one such as latin-1, gbk or cp1251")
    if not all(_comes_back(bytes(pair), value) for pair in product(range(128, 256), range(256))):
        raise ValueError(f"{value[:40]!r} does not always give back the bytes it read: gbk, cp1251 or latin-1 do")
    return value


def _comes_back(raw: bytes, charset: str) -> bool:
    return raw.decode(charset, "surrogateescape").encode(charset, "surrogateescape") == raw


def _host_name() -> str:
    """The machine's name as a legal name for a relay, which is what people call it by default."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:MAX_NAME_BYTES] or "unnamed"


UNSPECIFIED_HOSTS = ("0.0.0.0", "::")  # noqa: S104 - nothing listens by this
"""Where a relay may listen and nobody can connect."""

NAME_RULE = f"1 to {MAX_NAME_BYTES} letters, digits, dots, dashes or underscores"

ListenAddress = Annotated[Address, BeforeValidator(_read_address)]
TargetAddress = Annotated[Address, BeforeValidator(_read_target)]
TargetAddresses = Annotated[Targets, BeforeValidator(_read_targets)]
Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9._-]{{1,{MAX_NAME_BYTES}}}$")]


def _read_store_url(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("the address of a store is a text: write memory: or redis://HOST:PORT/DB")
    return check_url(value)


def _read_store_prefix(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no prefix for keys: write one such as {DEFAULT_PREFIX}")
    return check_prefix(value)


def _read_advertised(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no address: write HOST or HOST:PORT, such as 203.0.113.7")
    if not value:
        return ""
    try:
        address = advertised_address(value, 1)
    except ValueError as error:
        raise ValueError(f"{value[:60]!r} is no address for others: write HOST or HOST:PORT") from error
    if address.port == 0 or address.host in UNSPECIFIED_HOSTS:
        raise ValueError(f"{value!r} is no address for others, who cannot connect there; write HOST or HOST:PORT")
    return value


def advertised_address(text: str, port: int) -> Address:
    """Read HOST or HOST:PORT, IPv6 in brackets; ``port`` is that of a HOST alone. Raises ValueError."""
    has_port = ":" in text.rpartition("]")[2]
    return parse_address(text if has_port else f"{text}:{port}")


def _read_service_prefix(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", value):
        raise ValueError(f"{str(value)[:60]!r} is not {TEXT_RULES['service_prefix']}; write one such as tidegate")
    return value


def _read_token(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{0,256}", value):
        raise ValueError("it is no token: up to 256 printable characters without spaces")  # and it is not repeated
    if value == MASK:
        raise ValueError(f"{MASK} stands for a token that is not shown; write the token itself")
    return value


def _read_optional_listen(value: object) -> str:
    return "" if value == "" else str(_read_address(value))


def _read_optional_target(value: object) -> str:
    return "" if value == "" else str(_read_target(value))


OptionalListen = Annotated[str, BeforeValidator(_read_optional_listen)]
OptionalTarget = Annotated[str, BeforeValidator(_read_optional_target)]


def _read_admin(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("where the admin service is, is a text: write unix:PATH, 127.0.0.1:7402 or off")
    parse_place(value)
    return value


AdminText = Annotated[str, BeforeValidator(_read_admin)]
StoreUrl = Annotated[str, BeforeValidator(_read_store_url)]
StorePrefix = Annotated[str, BeforeValidator(_read_store_prefix)]
Charset = Annotated[str, BeforeValidator(_read_charset)]
Advertised = Annotated[str, BeforeValidator(_read_advertised)]
ServicePrefix = Annotated[str, BeforeValidator(_read_service_prefix)]
Token = Annotated[str, BeforeValidator(_read_token)]
GameName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
Prefixes = Annotated[PrefixTexts, BeforeValidator(_read_prefixes)]
WindowBytes = Annotated[
    int,
    Field(
        ge=MIN_WINDOW_BYTES,
        le=MAX_WINDOW_BYTES,
        description="Bytes one session may have on the road in one direction; the most it can pile up here.",
    ),
]
FlushWindowMilliseconds = Annotated[
    float,
    Field(
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Longest wait for company before a batch goes out; 0 sends each at once, at more CPU.",
    ),
]
DrainSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="After the first SIGTERM, how long running sessions may go on before they are closed.",
    ),
]
HalfCloseSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a session lives on when one side has ended its direction and the other has not.",
    ),
]
HoldSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long players are kept when the tunnel breaks, until it is back; 0 ends them at once.",
    ),
]
RingBytes = Annotated[
    int,
    Field(
        ge=1 << 20,
        le=1 << 30,
        description="What a tunnel may keep for the other end to get again; at half of it players are read no further.",
    ),
]
Workers = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="Processes that share the port, each with tunnels of its own; one that dies is started anew.",
    ),
]
CloseLingerSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="How long a closed session's last bytes may take to leave before the socket is cut.",
    ),
]


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, and no conversions (a number in quotes is a mistake)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class GameSettings(Section):
    """Which game is relayed. Used by the core, which tells the edges."""

    name: str = Field("pko", description="The game pack.")
    dialect: str = Field("", description="Wire variant of the game; empty means the pack's first.")
    rules_file: str = Field(
        "", description="What the operator changes of the game's rules (docs/policy.md); read again when it changes."
    )
    charset: Charset = Field(
        "latin-1",
        description="How features read and write names and texts, such as gbk or cp1251; on the wire they stay bytes.",
    )
    framing: Mapping[str, object] = Field(
        default_factory=dict,
        description="Settings of the pack itself; only `generic` has any (length_bytes, order, counts_itself, "
        "offset_bytes, max_frame_bytes).",
    )


class EdgeSettings(Section):
    """The player-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 1973), description="Where players connect; port 0 takes any.")
    core: TargetAddresses = Field(
        Targets((Address("127.0.0.1", 7400),)),
        description="The core to attach to, or a list of up to 8: new players go to the best one (docs/tunnel.md).",
    )
    game: GameName = Field(
        "",
        description="Use only cores of this game, of those that discovery finds; empty is the game of the first core.",
    )
    name: Name = Field(default_factory=_host_name, description="What this edge is called at the core and in logs.")
    region: Name = Field("local", description="Where this edge stands.")
    max_sessions: int = Field(10_000, ge=1, le=1_000_000, description="Players at once; further ones are refused.")
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    hold_seconds: HoldSeconds = 30.0
    ring_bytes: RingBytes = DEFAULT_RING_BYTES
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0
    workers: Workers = 1
    backlog: int = Field(1024, ge=1, le=65535, description="Connections the system may queue before they are accepted.")
    max_per_address: int = Field(
        16,
        ge=0,
        le=1_000_000,
        description="Connections at once from one IPv4 address or one IPv6 /64, over all workers; 0 is no limit.",
    )
    max_per_prefix: int = Field(
        256,
        ge=0,
        le=1_000_000,
        description="Connections at once from one IPv4 /24 or one IPv6 prefix, over all workers; 0 is no limit.",
    )
    ipv6_prefix_bits: int = Field(48, ge=16, le=64, description="What counts as one prefix in IPv6.")
    prefix_accepts_per_second: float = Field(
        20.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="New connections from one prefix in the long run, over all workers; 0 is no limit.",
    )
    prefix_accepts_burst: int = Field(
        40, ge=1, le=1_000_000, description="New connections from one prefix at once, after a pause."
    )
    accepts_per_second: float = Field(
        500.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="New connections from everybody in the long run, over all workers; 0 is no limit.",
    )
    accepts_burst: int = Field(
        1000, ge=1, le=1_000_000, description="New connections from everybody at once, after a pause."
    )
    exempt: Prefixes = Field(
        PrefixTexts(("127.0.0.0/8", "::1")),
        description="Addresses that none of these limits on addresses and rates hold for.",
    )
    login_seconds: float = Field(
        30.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a player may take to log in (in a game without rules: to send a packet); 0 is for ever.",
    )
    idle_seconds: float = Field(
        60.0,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="How long a client may send no whole packet; 0 is for ever.",
    )
    policy_cache: str = Field(
        "",
        description="File that keeps the last policy (docs/policy.md), to let players in before the core answers.",
    )
    bans_cache: str = Field(
        "",
        description="File that keeps the bans (docs/admission.md), to know them before the core answers.",
    )
    deny_file: str = Field("", description="List of who is kept out (docs/admission.md); read again when it changes.")
    allow_file: str = Field("", description="List of who comes in whatever the deny list and the limits say.")
    proxy_from: Prefixes = Field(
        PrefixTexts(),
        description="Load balancers, which must send a PROXY header (version 1 or 2) before each connection's bytes.",
    )
    proxy_header_seconds: float = Field(
        5.0,
        ge=0.5,
        le=60,
        allow_inf_nan=False,
        description="How long a load balancer may take to send its PROXY header.",
    )
    public: OptionalTarget = Field(
        "",
        description="Where players connect as the world sees it, for launchers (docs/steering.md); empty is `listen`.",
    )
    probe: OptionalListen = Field(
        "",
        description="Where probes are answered, by UDP and HTTP; empty is UDP on the players' port number alone.",
    )


class CoreSettings(Section):
    """The game-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 7400), description="Where edges attach; port 0 takes any.")
    origin: TargetAddress = Field(Address("127.0.0.1", 1974), description="The game server.")
    name: Name = Field(default_factory=_host_name, description="What this core is called at the edges and in logs.")
    region: Name = Field("local", description="Where this core stands.")
    connect_timeout_seconds: float = Field(
        10.0,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="How long the game server may take to accept a connection.",
    )
    origin_check_seconds: float = Field(
        5.0,
        ge=0,
        le=20,
        allow_inf_nan=False,
        description="How often a core that registers connects to the game server while no player does; 0 is never.",
    )
    admin: AdminText = Field(
        "",
        description="Where operators' commands reach this core (docs/admin.md): `unix:PATH`, HOST:PORT (with "
        "certificates also for other machines), or `off`; empty is a socket of one's own.",
    )
    max_sessions: int = Field(100_000, ge=1, le=1_000_000, description="Sessions at once, over all edges.")
    workers: Workers = 1
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    hold_seconds: HoldSeconds = 30.0
    ring_bytes: RingBytes = DEFAULT_RING_BYTES
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0


class FeatureSettings(Section):
    """What operators add to the game; used by the core (docs/features.md)."""

    folder: str = Field("", description="Where features and their features.toml are; empty loads none.")
    call_budget_milliseconds: float = Field(
        5.0,
        ge=0.1,
        le=1000,
        allow_inf_nan=False,
        description="A feature's call that takes longer is named in the log: all players wait for it.",
    )
    call_limit_milliseconds: float = Field(
        100.0,
        ge=10,
        le=10_000,
        allow_inf_nan=False,
        description="A feature's call that takes longer is stopped; after three in a minute the feature is taken out.",
    )


class StoreSettings(Section):
    """What cores remember and share (docs/store.md)."""

    url: StoreUrl = Field(
        MEMORY,
        description="`memory:` for one core alone, or a Redis: `redis://HOST:PORT/DB`; a password in it is not shown.",
    )
    prefix: StorePrefix = Field(
        DEFAULT_PREFIX, description="What all keys begin with; its hash tag keeps them together on a Cluster."
    )


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


SECTIONS: dict[str, type[Section]] = {
    "game": GameSettings,
    "edge": EdgeSettings,
    "core": CoreSettings,
    "features": FeatureSettings,
    "store": StoreSettings,
    "discovery": DiscoverySettings,
    "tls": TlsSettings,
    "http": HttpSettings,
    "log": LogSettings,
}
"""The sections in the order they are shown."""
