"""Realip: headers as the edge's own reader wants them, and logins with the address in them."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features import RawPacket
from core.features.builtin.realip import PSEUDO_NETWORK, Realip, plain, proxy_v1, proxy_v2, pseudo_ipv4
from core.features.errors import FeatureError
from core.features.kit import Kit, KitPlayer
from edge.edge_tunnel import SocketAddress
from edge.proxy_header import ProxyHeader, read_proxy_header
from games.packet import Direction, Packet
from games.pko.chat import Say
from games.pko.connection import Login, LoginHashed, LoginWithAddress

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
PORTS = st.integers(0, 65535)
MAC = "00-11-22-33-44-55"
PASSWORD = bytes(range(24))


def joined(mode: str, address: str = "203.0.113.9", settings: dict[str, object] | None = None) -> KitPlayer:
    return Kit(Realip, {"mode": mode, **(settings or {})}).player(address=address)


def seen(player: KitPlayer) -> Packet | RawPacket:
    """What the game server got first."""
    return player.sent_to_server[0]


def suffixed(address: str, mac: str = MAC, **settings: object) -> bytes:
    """The text that the game server gets for a hardware address, from the bytes of the login."""
    kit = Kit(Realip, {"mode": "hardware_suffix", **settings})
    session = kit.player(address=address, in_game=False).session
    sent = kit.feature.logs_in(session, RawPacket(431, login_body(mac.encode()), Direction.SERVERBOUND))
    assert isinstance(sent, RawPacket)
    start = len(login_body(b"")) - 5
    size = int.from_bytes(sent.body[start - 2 : start], "big")
    text = sent.body[start : start + size - 1]
    assert sent.body == login_body(text)
    return text


def login_body(mac: bytes) -> bytes:
    """The body of a login, put together by hand."""
    text = b"".join(len(each).to_bytes(2, "big") + each for each in (b"nobill\0", b"anna\0", PASSWORD, mac + b"\0"))
    return text + b"\x03\x8f\x00\x88"


@pytest.mark.parametrize(
    ("mode", "address", "header"),
    [
        ("proxy_v1", "203.0.113.9", b"PROXY TCP4 203.0.113.9 127.0.0.1 40001 1973\r\n"),
        ("proxy_v1", "::ffff:203.0.113.9", b"PROXY TCP4 203.0.113.9 127.0.0.1 40001 1973\r\n"),
        ("proxy_v1", "2001:db8::7", b"PROXY TCP6 2001:db8::7 ::ffff:7f00:1 40001 1973\r\n"),
        (
            "proxy_v2",
            "203.0.113.9",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((203, 0, 113, 9, 127, 0, 0, 1)) + b"\x9c\x41\x07\xb5",
        ),
        ("hardware_suffix", "203.0.113.9", b""),
        ("login_u32", "203.0.113.9", b""),
    ],
)
def test_the_header_comes_first(mode: str, address: str, header: bytes) -> None:
    assert Kit(Realip, {"mode": mode}).player(address=address, in_game=False).preface == header


@pytest.mark.parametrize("mode", ["proxy_v1", "proxy_v2"])
def test_a_header_leaves_the_login_alone(mode: str) -> None:
    assert seen(joined(mode)) == Login(account=b"anna", password=bytes(24), mac=MAC.encode(), version=136)


@given(ADDRESSES, PORTS, ADDRESSES, PORTS)
def test_what_is_written_can_be_read(source: object, port: int, destination: object, to_port: int) -> None:
    ends = plain(ip_address(str(source))), plain(ip_address(str(destination)))
    if ends[0].version != ends[1].version:
        ends = ip_address(as_ipv6(ends[0])), ip_address(as_ipv6(ends[1]))
    for header in (
        proxy_v1(plain(ip_address(str(source))), port, plain(ip_address(str(destination))), to_port),
        proxy_v2(plain(ip_address(str(source))), port, plain(ip_address(str(destination))), to_port),
    ):
        found = read_proxy_header(header + b"game")
        assert found == ProxyHeader(
            len(header), SocketAddress(str(ends[0]), port), SocketAddress(str(ends[1]), to_port)
        )


def as_ipv6(address: IPv4Address | IPv6Address) -> str:
    return f"::ffff:{address}" if address.version == 4 else str(address)


def test_a_zone_is_no_part_of_an_address() -> None:
    assert str(plain(IPv6Address("fe80::1%eth0"))) == "fe80::1"


@pytest.mark.parametrize(
    ("address", "separator", "text"),
    [
        ("203.0.113.9", ";", b"00-11-22-33-44-55;203.0.113.9"),
        ("2001:db8::7", ";", b"00-11-22-33-44-55;2001:db8::7"),
        ("::ffff:203.0.113.9", "::", b"00-11-22-33-44-55::203.0.113.9"),
    ],
)
def test_the_address_stands_behind_the_hardware_address(address: str, separator: str, text: bytes) -> None:
    assert suffixed(address, separator=separator) == text


def test_the_dialects_counter_stays_right() -> None:
    kit = Kit(Realip, {"mode": "hardware_suffix", "separator": "_"}, dialect="counter+trailer")
    player = kit.player(address="203.0.113.9")
    assert seen(player) == Login(account=b"anna", password=bytes(24), mac=b"00-11-22-33-44-55_203.0.113.9", version=136)
    assert player.session.hardware_address == MAC  # features see what the client said
    assert player.says(Say(text=b"x")) == [Say(text=b"x")]


LONG = "{" + "0123456789ABCDEF" * 3 + "01234567}"


def test_a_hardware_address_that_leaves_no_room_is_hashed() -> None:
    digits, _, address = suffixed("203.0.113.9", LONG).partition(b";")
    assert (len(digits), address) == (23, b"203.0.113.9")
    assert (
        suffixed("2001:db8:1111:2222:3333:4444:5555:6666", LONG) == digits + b";2001:db8:1111:2222:3333:4444:5555:6666"
    )
    assert not suffixed("203.0.113.9", LONG[:-1]).startswith(digits)


def test_or_kept_as_it_is() -> None:
    assert suffixed("203.0.113.9", LONG, too_long="keep") == LONG.encode()


@given(st.text("0123456789ABCDEF:", max_size=64), st.integers(48, 255), ADDRESSES)
def test_no_text_is_longer_than_the_limit(mac: str, limit: int, address: object) -> None:
    kit_address = str(address)
    text = suffixed(kit_address, mac, limit_bytes=limit)
    assert len(text) <= limit
    assert text.endswith(b";" + str(plain(ip_address(kit_address))).encode())


@pytest.mark.parametrize(
    ("address", "settings", "number"),
    [
        ("203.0.113.9", {}, 0xCB007109),
        ("::ffff:203.0.113.9", {}, 0xCB007109),
        ("203.0.113.9", {"reversed_bytes": True}, 0x097100CB),
        ("2001:db8::7", {"ipv6": "zero"}, 0),
        ("2001:db8::7", {}, pseudo_ipv4(IPv6Address("2001:db8::"))),
    ],
)
def test_the_address_as_a_number(address: str, settings: dict[str, object], number: int) -> None:
    login = seen(joined("login_u32", address, settings))
    assert login == LoginWithAddress(account=b"anna", password=bytes(24), mac=MAC.encode(), address=number, version=136)


def test_a_number_that_a_client_writes_itself_is_overwritten() -> None:
    player = Kit(Realip, {"mode": "login_u32"}).player(address="203.0.113.9", in_game=False)
    forged = LoginWithAddress(account=b"anna", password=PASSWORD, mac=b"00", address=0x01020304, version=136)
    (sent,) = player.says(forged)
    assert isinstance(sent, LoginWithAddress)
    assert (sent.address, sent.password) == (0xCB007109, PASSWORD)


@given(st.ip_addresses(v=6))
def test_a_pseudo_address_is_nobodys(address: object) -> None:
    number = pseudo_ipv4(IPv6Address(str(address)))
    assert PSEUDO_NETWORK <= number < 0xFFFFFFFF


HASHED = LoginHashed(account=b"anna", password_hash=b"ab" * 32, mac=b"00-11", version=136)


def test_the_other_line_has_the_suffix_but_no_number() -> None:
    kit = Kit(Realip, {"mode": "hardware_suffix", "separator": "_"}, dialect="tg")
    (sent,) = kit.player(address="203.0.113.9", in_game=False).says(HASHED)
    assert isinstance(sent, LoginHashed)
    assert sent.mac == b"00-11_203.0.113.9"
    kit = Kit(Realip, {"mode": "login_u32"}, dialect="tg")
    player = kit.player(address="203.0.113.9", in_game=False)
    assert player.says(HASHED) == [HASHED]
    player.says(HASHED)
    assert [name for name, _ in kit.log.lines] == ["realip_unused"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "settings",
    [{}, {"mode": "x"}, {"mode": "proxy_v1", "separator": "'"}, {"mode": "proxy_v1", "separator": ""}],
)
def test_settings_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(FeatureError):
        Kit(Realip, settings)
