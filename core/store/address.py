"""Where the store is, as people write it, and the store that is meant.

=================================================  ==============================================================
``memory:``                                        within this process
``redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]``     one Redis; ``rediss://`` is the same with TLS
``unix://[USER[:PASSWORD]@]/PATH[?db=DB]``         one Redis on this machine
``redis+sentinel://…HOST[:PORT],…/SERVICE[/DB]``   the master that Sentinels name; ``rediss+sentinel://`` with TLS
``redis+cluster://…HOST[:PORT],…``                 a Cluster, known by some of its nodes; ``rediss+cluster://``
=================================================  ==============================================================

Behind ``?`` may stand, with TLS, ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile`` (files) and ``ssl_cert_reqs``.
A password may be the only thing before ``@`` (``:PASSWORD@``); characters with a meaning are written as ``%XX``.

Parsing opens nothing, and no error repeats a password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from core.store.names import DEFAULT_PREFIX, check_prefix
from core.store.protocol import Store
from fleet.address import Address, parse_address
from wire.errors import MisuseError

MEMORY = "memory:"
MASK = "***"
MAX_URL_CHARACTERS = 2048
REDIS_PORT = 6379
SENTINEL_PORT = 26379

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_CERT_REQS = ("required", "optional", "none")
_EXAMPLE = "write memory: or redis://HOST:PORT/DB (others are in docs/store.md)"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """How to reach a Redis. ``mode`` is redis, unix, sentinel or cluster; ``str`` shows it without the password."""

    mode: str
    shown: str
    hosts: tuple[Address, ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    is_tls: bool = False
    tls: Mapping[str, str] = field(default_factory=dict)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.shown


def make_store(url: str, prefix: str = DEFAULT_PREFIX) -> Store:
    """Return the store that is meant, not started; raises MisuseError with a sentence."""
    check_prefix(prefix)
    if check_url(url) == MEMORY:
        from core.store.memory import MemoryStore

        return MemoryStore()
    from core.store.redis_store import RedisStore  # late: redis-py takes 0.4 s to load

    return RedisStore(parse_redis_address(url), prefix)


def check_url(url: str) -> str:
    """Return an address that can be one; raises MisuseError."""
    if url != MEMORY:
        parse_redis_address(url)
    return url


def mask(url: str) -> str:
    """Return an address as it may be shown: with `MASK` for the password, whatever else is wrong with it."""
    if "://" not in url:  # mistyped: whatever is before the @ may be a password
        before, at, rest = url[:MAX_URL_CHARACTERS].rpartition("@")
        return f"{MASK}{at}{rest}" if at else before + rest
    # The last @ before the path, the query and the end: a password with a raw / in it is masked too.
    return re.sub(r"(?<=://)[^@]*@(?=[^@]*$)|(?<=://).*@", _mask_login, url[:MAX_URL_CHARACTERS], count=1)


def _mask_login(login: re.Match[str]) -> str:
    user, colon, _ = login.group()[:-1].partition(":")
    return f"{user}:{MASK}@" if colon else f"{MASK}@"


def parse_redis_address(url: str) -> RedisAddress:
    """Read the address of a Redis; raises MisuseError with a sentence that says what would be right."""
    shown = mask(url)
    if len(url) > MAX_URL_CHARACTERS or not url.isprintable():
        raise MisuseError(f"an address of {len(url)} characters, or with control characters; {_EXAMPLE}")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise MisuseError(f"{shown[:80]!r} is no address of a store; {_EXAMPLE}")
    login, at, place = rest.rpartition("@")  # first: a password may have a raw ? in it
    place, _, query = place.partition("?")
    username, password = _read_login(login, shown) if at else (None, None)
    kind, _, topology = scheme.partition("+")
    is_tls = kind == "rediss"
    options = _read_options(query, shown, is_tls=is_tls, may_have_db=kind == "unix")
    db = options.pop("db", "0")
    if kind == "unix":
        if not place.startswith("/"):
            raise MisuseError(f"{shown!r} has no path; write unix:///run/redis.sock")
        return RedisAddress(
            "unix", shown, path=unquote(place), db=_read_db(db, shown), username=username, password=password
        )
    hosts, _, path = place.partition("/")
    service = ""
    if topology == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise MisuseError(f"{shown!r} names no service; write redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB")
    if topology == "cluster" and path.strip("/0"):
        raise MisuseError(f"{shown!r}: a Cluster has no databases; leave /{path} out")
    port = SENTINEL_PORT if topology == "sentinel" else REDIS_PORT
    addresses = tuple(_read_host(host, port, shown) for host in hosts.split(","))
    if not topology and len(addresses) > 1:
        raise MisuseError(f"{shown!r} has several hosts; write redis+sentinel:// or redis+cluster://")
    return RedisAddress(
        topology or "redis",
        shown,
        addresses,
        "",
        unquote(service),
        _read_db(path, shown),
        is_tls,
        options,
        username,
        password,
    )


def _read_login(login: str, shown: str) -> tuple[str | None, str | None]:
    user, colon, password = login.partition(":")
    if not colon:
        raise MisuseError(f"{shown!r} has one word before @; write USER:PASSWORD@ or :PASSWORD@")
    if password == MASK:
        raise MisuseError(f"{shown!r}: {MASK} stands for a password that is not shown; write the password itself")
    return unquote(user) or None, unquote(password) or None


def _read_host(text: str, port: int, shown: str) -> Address:
    has_port = ":" in text and not text.endswith("]")
    try:
        address = parse_address(text if has_port else f"{text}:{port}")
    except ValueError as error:
        raise MisuseError(f"{shown!r}: {error}") from error
    if address.port == 0:
        raise MisuseError(f"{shown!r}: port 0 means any free port, which is for listening only")
    return address


def _read_db(text: str, shown: str) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", text):
        raise MisuseError(f"{shown!r}: the database {text[:20]!r} is not a whole number, such as /0")
    return int(text or "0")


def _read_options(query: str, shown: str, *, is_tls: bool, may_have_db: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = (("db",) if may_have_db else ()) + (_TLS_OPTIONS if is_tls else ())
    for name in options:
        if name not in known:
            allowed = f"known are {', '.join(known)}" if known else "there is none here"
            raise MisuseError(f"{shown!r}: no such option {name[:40]!r}; {allowed}")
    if options.get("ssl_cert_reqs", "required") not in _CERT_REQS:
        raise MisuseError(f"{shown!r}: ssl_cert_reqs is one of {', '.join(_CERT_REQS)}")
    return options
