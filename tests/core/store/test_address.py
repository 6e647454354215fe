"""Addresses of stores: what each means, what is wrong with others, and that no password is ever shown."""

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.store.address import MASK, RedisAddress, check_url, make_store, mask, parse_redis_address
from core.store.memory import MemoryStore
from core.store.names import DEFAULT_PREFIX
from fleet.address import Address
from wire.errors import MisuseError


@pytest.mark.parametrize(
    ("url", "mode", "hosts", "rest"),
    [
        ("redis://h", "redis", ["h:6379"], {}),
        ("redis://h:1/3", "redis", ["h:1"], {"db": 3}),
        ("redis://[::1]", "redis", ["[::1]:6379"], {}),
        ("redis://[::1]:7/", "redis", ["[::1]:7"], {}),
        ("rediss://u:p%40@h?ssl_cert_reqs=none", "redis", ["h:6379"],
         {"is_tls": True, "username": "u", "password": "p@", "tls": {"ssl_cert_reqs": "none"}}),
        ("unix:///run/a%20b.sock?db=2", "unix", [], {"path": "/run/a b.sock", "db": 2}),
        ("unix://:pw@/r.sock", "unix", [], {"path": "/r.sock", "password": "pw"}),
        ("redis+sentinel://a,b:5/game/1", "sentinel", ["a:26379", "b:5"], {"service": "game", "db": 1}),
        ("rediss+sentinel://a/game", "sentinel", ["a:26379"], {"service": "game", "is_tls": True}),
        ("redis+cluster://a,[::1]:7001", "cluster", ["a:6379", "[::1]:7001"], {}),
    ],
)  # fmt: skip
def test_rows(url: str, mode: str, hosts: list[str], rest: dict[str, object]) -> None:
    address = parse_redis_address(url)

    assert (address.mode, [str(host) for host in address.hosts]) == (mode, hosts)
    expected = RedisAddress(mode, mask(url), address.hosts, **rest)  # type: ignore[arg-type]
    assert address == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is no address of a store; write memory: or redis://HOST:PORT/DB"),
        ("localhost:6379", "is no address of a store"),
        ("http://h", "is no address of a store"),
        ("redis://", "has no host; write HOST:PORT"),
        ("redis://h:0", "port 0 means any free port"),
        ("redis://h:x", "the port 'x' is not a whole number"),
        ("redis://h/db", "the database 'db' is not a whole number"),
        ("redis://a,b", "has several hosts; write redis+sentinel:// or redis+cluster://"),
        ("redis://name@h", "has one word before @; write USER:PASSWORD@"),
        ("redis://:***@h", "stands for a password that is not shown"),
        ("redis://h?socket_timeout=9", "no such option 'socket_timeout'; there is none here"),
        ("rediss://h?ssl=1", "no such option 'ssl'; known are ssl_ca_certs"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs is one of required, optional, none"),
        ("redis+sentinel://h", "names no service"),
        ("redis+cluster://h/3", "a Cluster has no databases"),
        ("unix://run/redis.sock", "has no path; write unix:///run/redis.sock"),
        ("redis://h\n", "with control characters"),
        ("redis://" + "h" * 3000, "an address of 3008 characters"),
    ],
)
def test_says_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(MisuseError) as caught:
        check_url(url)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:secret@h/1", f"redis://u:{MASK}@h/1"),
        ("redis://:secret@h", f"redis://:{MASK}@h"),
        ("redis://secret@h", f"redis://{MASK}@h"),
        ("redis://u:sec/r@et@h", f"redis://u:{MASK}@h"),
        ("http://u:secret@h", f"http://u:{MASK}@h"),
        ("redis//u:secret@h/1", f"{MASK}@h/1"),
        ("redis:/:sec@ret@h", f"{MASK}@h"),
        ("u:secret@h", f"{MASK}@h"),
        ("memory", "memory"),
        ("redis://h/1", "redis://h/1"),
    ],
)
def test_shown_without_the_password(url: str, shown: str) -> None:
    assert mask(url) == shown


@given(st.text(max_size=30), st.sampled_from(["redis", "redis+sentinel", "unix", "nonsense"]))
def test_any_address_is_one_or_a_mistake_that_keeps_the_secret(text: str, scheme: str) -> None:
    with contextlib.suppress(MisuseError):
        check_url(text)
    try:
        said = str(parse_redis_address(f"{scheme}://u:tops3cret@{text.replace('@', '')}"))
    except MisuseError as error:
        said = str(error)
    assert "tops3cret" not in said


def test_repr_has_no_password() -> None:
    assert "secret" not in repr(parse_redis_address("redis://u:secret@h"))


def test_a_password_with_a_question_mark_is_a_password() -> None:
    assert parse_redis_address("redis://:a?secret@h").password == "a?secret"
    with pytest.raises(MisuseError, match="ssl_cert_reqs is one of") as caught:
        parse_redis_address("rediss://u:a?b=secret@h?ssl_cert_reqs=maybe")
    assert "secret" not in str(caught.value)


def test_memory_is_a_store_and_needs_no_redis() -> None:
    assert isinstance(make_store("memory:"), MemoryStore)
    show = "import sys; from core.store.address import make_store; make_store('memory:'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=15, check=True).stdout
    assert "redis" not in loaded.split()


@pytest.mark.parametrize("prefix", ["tidegate", "{}", "{a}b c", "{a}{b}", "{a" * 40, ""])
def test_a_prefix_needs_a_hash_tag(prefix: str) -> None:
    with pytest.raises(MisuseError, match=r"write one with a hash tag in braces"):
        make_store("memory:", prefix)


def test_hosts_are_addresses() -> None:
    assert parse_redis_address("redis://10.0.0.1:7").hosts == (Address("10.0.0.1", 7),)
    assert make_store("redis://10.0.0.1:7", DEFAULT_PREFIX).status.kind == "redis"
