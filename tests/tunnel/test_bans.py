"""Bans: what is packed comes out, in as many messages as it takes; what breaks the contract is refused whole."""

from collections.abc import Iterable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import (
    MAX_BAN_SECONDS,
    MAX_NAME_BYTES,
    MAX_NOTICE_BYTES,
    Ban,
    BanChanges,
    Banned,
    banned_network,
    describe_banned,
)
from tunnel.bans_codec import MAX_BANS_BYTES, MAX_ENTRIES, BansPacker, decode_bans
from wire.errors import MisuseError, TunnelFault
from wire.layout import FrameLayout

LAYOUT = FrameLayout(min_frame_bytes=3, max_frame_bytes=1024)
NOTICE = b"\x00\x05bye"
NETWORK = Banned("address", bytes([203, 0, 113, 0]), 24)
ACCOUNT = Banned("account", b"badguy")


def pack(added: Iterable[Ban] = (), removed: Iterable[Banned] = (), *, resets: bool = False) -> tunnel_pb2.Bans:
    packer = BansPacker(resets=resets)
    for whom in removed:
        packer.remove(whom)
    for ban in added:
        packer.add(ban)
    return packer.message(is_complete=True)


def sealed(**fields: object) -> tunnel_pb2.Bans:
    changes = tunnel_pb2.BanChanges(**fields)  # type: ignore[arg-type]  # rows mix the types of several fields
    return tunnel_pb2.Bans(changes=changes.SerializeToString())


def one(**fields: object) -> tunnel_pb2.Bans:
    """A message that adds one ban of an account, with some fields of its own."""
    whom = tunnel_pb2.Banned(kind=tunnel_pb2.BAN_KIND_ACCOUNT, value=b"x")
    return sealed(added=[tunnel_pb2.Ban(**({"whom": whom} | fields))])  # type: ignore[arg-type]


def by(kind: int, value: bytes, prefix_bits: int = 0) -> tunnel_pb2.Bans:
    whom = tunnel_pb2.Banned(kind=kind, value=value, prefix_bits=prefix_bits)  # type: ignore[arg-type]
    return one(whom=whom)


@pytest.mark.parametrize(
    ("text", "whom", "described"),
    [
        ("203.0.113.0/24", NETWORK, "address 203.0.113.0/24"),
        ("203.0.113.9", Banned("address", bytes([203, 0, 113, 9]), 32), "address 203.0.113.9/32"),
        ("2001:db8::/32", Banned("address", bytes.fromhex("20010db8") + bytes(12), 32), "address 2001:db8::/32"),
        ("::ffff:203.0.113.0/120", NETWORK, "address 203.0.113.0/24"),
        ("0.0.0.0/0", Banned("address", bytes(4)), "address 0.0.0.0/0"),
    ],
)
def test_networks_as_people_write_them(text: str, whom: Banned, described: str) -> None:
    assert banned_network(ip_network(text)) == whom
    assert describe_banned(whom) == described


def test_names_are_small_and_only_in_a_to_z() -> None:
    whom = Banned("character", b"Sir F\xc4\xd6")
    assert whom == Banned("character", b"sir f\xc4\xd6")
    assert hash(whom) == hash(Banned("character", b"SIR F\xc4\xd6"))
    assert whom != Banned("account", whom.value)
    assert describe_banned(whom) == r"character sir f\xc4\xd6"


@pytest.mark.parametrize(
    ("kind", "value", "bits", "said"),
    [
        ("guild", b"x", 0, "a ban by 'guild'"),
        ("account", b"", 0, "account of 0 bytes"),
        ("account", bytes(MAX_NAME_BYTES + 1), 0, "account of 257 bytes"),
        ("account", b"x", 1, "account with 1 bits"),
        ("address", b"", 0, "address of 0 bytes"),
        ("address", bytes(5), 0, "address of 5 bytes"),
        ("address", bytes(4), 33, "a network of 33 bits: 0 to 32"),
        ("address", bytes(16), 129, "a network of 129 bits: 0 to 128"),
        ("address", bytes(4), -1, "a network of -1 bits"),
        ("address", bytes([203, 0, 113, 5]), 24, "203.0.113.5/24 is an address inside a network"),
    ],
)
def test_nobody_is_banned_by_what_he_cannot_have(kind: str, value: bytes, bits: int, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        Banned(kind, value, bits)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), MAX_BAN_SECONDS * 1.01])
def test_a_ban_is_for_some_time_or_for_ever(seconds: float) -> None:
    with pytest.raises(MisuseError, match="at most a hundred years"):
        Ban(ACCOUNT, seconds)


def test_a_notice_has_a_bound() -> None:
    Ban(ACCOUNT, notice=bytes(MAX_NOTICE_BYTES))
    with pytest.raises(MisuseError, match="notice of 1025 bytes"):
        Ban(ACCOUNT, notice=bytes(MAX_NOTICE_BYTES + 1))


def test_what_is_packed_comes_out() -> None:
    added = (
        Ban(NETWORK, 3600.5, NOTICE),
        Ban(ACCOUNT),
        Ban(Banned("hardware", b"00-11"), MAX_BAN_SECONDS, NOTICE * 2),
        Ban(Banned("address", bytes(16), 0), 0.001, NOTICE),
    )
    removed = (Banned("character", b"\xff"), ACCOUNT)
    found = decode_bans(pack(added, removed, resets=True), LAYOUT)
    assert found == BanChanges(added, removed, resets=True, is_complete=True)


def test_what_is_nearly_over_is_not_for_ever() -> None:
    (ban,) = decode_bans(pack([Ban(ACCOUNT, 1e-9)]), LAYOUT).added
    assert ban.seconds_left == 0.001


def test_a_notice_that_many_share_is_sent_once() -> None:
    bans = [Ban(Banned("account", b"%d" % number), 0, NOTICE * 100) for number in range(500)]
    message = pack(bans)
    assert len(message.changes) < 500 * 20 + 2 * len(NOTICE * 100)
    assert decode_bans(message, LAYOUT).added == tuple(bans)


def largest(number: int) -> Ban:
    name = b"%08d" % number
    return Ban(Banned("account", name * (MAX_NAME_BYTES // 8)), MAX_BAN_SECONDS, b"\x04\x00" + name + bytes(1014))


@pytest.mark.parametrize(("bans", "held"), [([largest(i) for i in range(400)], 180), ([Ban(ACCOUNT)] * 1500, 250)])
def test_a_message_is_full_before_it_breaks_a_bound(bans: list[Ban], held: int) -> None:
    packer = BansPacker()
    rest = list(bans)
    while packer.has_room:
        packer.add(rest.pop(0))
    message = packer.message(is_complete=False)
    found = decode_bans(message, LAYOUT)
    assert found.added == tuple(bans[: len(found.added)])
    assert len(found.added) >= held
    assert not found.is_complete


ENTRY = tunnel_pb2.Banned(kind=tunnel_pb2.BAN_KIND_ACCOUNT, value=b"x")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (tunnel_pb2.Bans(), "bans of 0 bytes"),
        (tunnel_pb2.Bans(changes=bytes(MAX_BANS_BYTES + 1)), "are allowed"),
        (tunnel_pb2.Bans(changes=b"\xff\xff\xff"), "cannot be read"),
        (sealed(removed=[ENTRY] * (MAX_ENTRIES + 1)), "1001 bans and 0 notices in one message"),
        (sealed(removed=[ENTRY] * 501, added=[tunnel_pb2.Ban(whom=ENTRY)] * 500), "1001 bans"),
        (sealed(notices=[NOTICE] * (MAX_ENTRIES + 1)), "0 bans and 1001 notices"),
        (sealed(notices=[b""]), "notice of 0 bytes"),
        (sealed(notices=[bytes(MAX_NOTICE_BYTES + 1)]), "notice of 1025 bytes"),
        (sealed(notices=[b"\x00\x05by"]), "in a ban's notice: the last frame is not whole"),
        (sealed(notices=[b"\x00\x02"]), "in a ban's notice: 3 to 1024 bytes are allowed"),
        (sealed(notices=[NOTICE, NOTICE + b"\xff\xff\xff"]), "in a ban's notice: 3 to 1024 bytes are allowed"),
        (one(notice=1), "notice 1 of 0"),
        (one(milliseconds_left=int(MAX_BAN_SECONDS * 1000) + 1), "at most a hundred years"),
        (one(milliseconds_left=(1 << 64) - 1), "at most a hundred years"),
        (one(whom=None), "a ban by 'nothing known'"),
        (by(tunnel_pb2.BAN_KIND_UNSPECIFIED, b"x"), "a ban by 'nothing known'"),
        (by(99, b"x"), "a ban by 'nothing known'"),
        (by(tunnel_pb2.BAN_KIND_ACCOUNT, b""), "account of 0 bytes"),
        (by(tunnel_pb2.BAN_KIND_ACCOUNT, bytes(257)), "account of 257 bytes"),
        (by(tunnel_pb2.BAN_KIND_ADDRESS, bytes(4), 33), "a network of 33 bits"),
        (by(tunnel_pb2.BAN_KIND_ADDRESS, bytes([1, 2, 3, 4]), 8), "1.2.3.4/8 is an address inside a network"),
        (sealed(removed=[tunnel_pb2.Banned(value=b"x")]), "a ban by 'nothing known'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_the_contract_is_refused(message: tunnel_pb2.Bans, said: str) -> None:
    with pytest.raises(TunnelFault, match=said) as caught:
        decode_bans(message, LAYOUT)
    assert str(caught.value).isprintable()


whoms = st.builds(
    tunnel_pb2.Banned,
    kind=st.integers(-1, 6),
    value=st.binary(max_size=20) | st.sampled_from([bytes(4), bytes(16), b"\xff" * 4]),
    prefix_bits=st.integers(0, 140),
)
times = st.integers(0, (1 << 64) - 1) | st.integers(0, 10_000)
messages = st.builds(
    sealed,
    resets=st.booleans(),
    is_complete=st.booleans(),
    notices=st.lists(st.binary(max_size=8) | st.just(NOTICE), max_size=3),
    added=st.lists(st.builds(tunnel_pb2.Ban, whom=whoms, milliseconds_left=times, notice=st.integers(0, 4))),
    removed=st.lists(whoms),
)


@given(st.builds(tunnel_pb2.Bans, changes=st.binary(max_size=200)) | messages)
def test_any_bytes_give_bans_or_the_refusal(message: tunnel_pb2.Bans) -> None:
    try:
        found = decode_bans(message, LAYOUT)
    except TunnelFault as fault:
        assert str(fault).isprintable()  # noqa: PT017 - either outcome is good
        return
    again = decode_bans(pack(found.added, found.removed, resets=found.resets), LAYOUT)
    assert (again.added, again.removed, again.resets) == (found.added, found.removed, found.resets)


names = st.builds(Banned, st.sampled_from(["account", "hardware", "character"]), st.binary(min_size=1, max_size=256))
networks = st.builds(
    lambda wide, number, bits: Banned("address", (number >> wide - bits << wide - bits).to_bytes(wide // 8), bits),
    st.just(32),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 32),
)
bans = st.builds(
    Ban, names | networks, st.integers(0, 10**9).map(lambda each: each / 1000), st.sampled_from([b"", NOTICE])
)


@given(st.lists(bans), st.lists(names | networks))
def test_any_bans_survive_the_way(added: list[Ban], removed: list[Banned]) -> None:
    found = decode_bans(pack(added, removed), LAYOUT)
    assert found == BanChanges(tuple(added), tuple(removed), is_complete=True)
