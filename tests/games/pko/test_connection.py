"""The packets of the way in and out, and those about the account, row by row."""

import pytest

from games.packet import Packet
from games.pko import account, connection
from games.pko.connection import CharacterSlot, EnterMap
from tests.games.rows import run_row, sequence, string

BLOB = bytes(range(24))
MAC = b"00-25-22-DF-AC-79-00-00"
PIN = b"E10ADC3949BA59ABBE56E057F20F883E"
STAMP = b"[11-22 16:58:27:001]"

SLOTS = (CharacterSlot(name=b"Ann", job=b"Newbie", level=9, look=b"look"), CharacterSlot(valid=0))
SLOT_BYTES = b"\x02\x01" + string(b"Ann") + string(b"Newbie") + b"\0\x09" + sequence(b"look") + b"\0"

EXACT: list[tuple[Packet, bytes]] = [
    (connection.Greeting(stamp=STAMP), string(STAMP)),
    (
        connection.Login(account=b"admin", password=BLOB, mac=MAC, version=136),
        string(b"nobill") + string(b"admin") + sequence(BLOB) + string(MAC) + b"\x03\x8f\0\x88",
    ),
    (
        connection.LoginWithAddress(account=b"admin", password=BLOB, mac=MAC, address=0x7F000001, version=136),
        string(b"nobill") + string(b"admin") + sequence(BLOB) + string(MAC) + b"\x7f\0\0\x01\x03\x8f\0\x88",
    ),
    (
        connection.LoginHashed(account=b"admin", password_hash=PIN, mac=MAC, version=136),
        string(b"admin") + string(PIN) + string(MAC) + b"\x03\x8f\0\x88",
    ),
    (
        connection.LoginAccepted(key=bytes(8), characters=SLOTS, has_second_password=1, comm_encrypt=2),
        b"\0\0" + sequence(bytes(8)) + SLOT_BYTES + b"\x01\0\0\0\x02\0\0\x32\x14",
    ),
    (connection.Logout(), b""),
    (connection.LogoutReply(), b""),
    (connection.BeginPlay(name=b"Ann"), string(b"Ann")),
    (connection.BeginPlayByIndex(index=2), b"\x02"),
    (connection.BeginPlayReply(error=524), b"\x02\x0c"),
    (connection.EndPlay(), b""),
    (connection.EndPlayRefused(error=3), b"\0\x03"),
    (
        connection.NewCharacter(name=b"Ann", birthplace=b"Argent City", look=bytes(100)),
        string(b"Ann") + string(b"Argent City") + sequence(bytes(100)),
    ),
    (
        connection.NewCharacterByType(name=b"Ann", birthplace=b"Argent City", body_type=3, hair=2000, face=2554),
        string(b"Ann") + string(b"Argent City") + b"\0\0\0\x03\0\0\x07\xd0\0\0\x09\xfa",
    ),
    (connection.NewCharacterReply(error=526), b"\x02\x0e"),
    (connection.DeleteCharacter(name=b"Ann", pin=PIN), string(b"Ann") + string(PIN)),
    (connection.DeleteCharacterByIndex(index=1, pin=PIN), b"\x01" + string(PIN)),
    (connection.DeleteCharacterReply(), b"\0\0"),
    (connection.EnterMapRefused(error=4), b"\0\x04"),
    (connection.MapCrash(text=b"bye"), string(b"bye")),
    (connection.CancelExit(), b""),
    (account.PublicKey(size=3, key=b"der"), b"\0\x03" + sequence(b"der")),
    (account.PrivateKey(key=b"YQ=="), string(b"YQ==")),
    (
        account.Register(user=b"admin", password_digest=PIN, mail=b"a@b.example"),
        string(b"admin") + string(PIN) + string(b"a@b.example"),
    ),
    (account.ChangePassword(password_digest=PIN, pin_digest=PIN), string(PIN) + string(PIN)),
    (account.CreatePin(pin=PIN), string(PIN)),
    (account.UpdatePin(old=PIN, new=PIN), string(PIN) + string(PIN)),
]

MAP = EnterMap(map_name=b"garner", character_id=7, world_id=70, name=b"Ann", x=217000, y=-1, rest=b"bag")
MAP_BYTES = (
    b"\0\0" + bytes(4) + string(b"garner") + b"\x01" + bytes(4)
    + b"\0\0\0\x07\0\0\0\x46" + bytes(4) + string(b"") + b"\0" + bytes(4) + b"\0"
    + string(b"Ann") + string(b"") + b"\0\0" + bytes(4) + string(b"") + string(b"") + string(b"")
    + b"\0\0\0\x03\x4f\xa8\xff\xff\xff\xff" + bytes(4) + b"\0\0" + bytes(4) + b"\x01" + b"bag"
)  # fmt: skip

OPEN_ENDED: list[tuple[Packet, bytes]] = [
    (connection.LoginRefused(error=1002), b"\x03\xea"),
    (connection.LoginRefused(error=1002, text=b"no"), b"\x03\xea" + string(b"no")),
    (connection.EndPlayReply(characters=SLOTS, rest=b"\x01"), b"\0\0" + SLOT_BYTES + b"\x01"),
    (MAP, MAP_BYTES),
    (connection.StartExit(rest=b"\0\x05"), b"\0\x05"),
    (connection.ExitCancelled(), b""),
    (account.Handshake(rest=b"ok"), b"ok"),
]


@pytest.mark.parametrize(("packet", "body"), EXACT, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes) -> None:
    run_row(packet, body)


@pytest.mark.parametrize(("packet", "body"), OPEN_ENDED, ids=lambda value: type(value).__name__)
def test_open_ended_row(packet: Packet, body: bytes) -> None:
    run_row(packet, body, open_ended=True)


@pytest.mark.parametrize(
    ("packet", "frame_bytes"),
    [
        (connection.Greeting(stamp=STAMP), 31),
        (connection.Login(account=b"admin", password=BLOB, mac=MAC, version=136), 81),
        (connection.Logout(), 8),
        (connection.BeginPlayByIndex(index=0), 9),
        (connection.CancelExit(), 8),
        (account.CreatePin(pin=PIN), 43),
        (account.UpdatePin(old=PIN, new=PIN), 78),
    ],
    ids=lambda value: type(value).__name__,
)
def test_frame_size_is_that_of_the_notes(packet: Packet, frame_bytes: int) -> None:
    assert 8 + len(packet.encode()) == frame_bytes
