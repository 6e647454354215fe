"""Packets of the way into the game: greeting, login, choice of a character, the map, and out again.

Layouts are those of table 4.1 of the protocol notes; ``str`` counts its NUL, ``seq`` does not have one.

======  ===  ==================  ==========================================================================
opcode  way  class               body
======  ===  ==================  ==========================================================================
940     S→C  Greeting            str stamp, 20 characters
431     C→S  Login               str passport, str account, seq 24, str MAC, u16 911, u16 version
431     C→S  LoginWithAddress    the same with a u32 IPv4 address before 911
431     C→S  LoginHashed         str account, str hash, str MAC, u16 911, u16 version
931     S→C  LoginAccepted       u16 0, seq key, u8 n, n × slot, u8, u32 comm-encrypt, u32 0x3214
931     S→C  LoginRefused        u16 error, maybe str text
432     C→S  Logout              empty; a synchronous call
932     S→C  LogoutReply         empty
433     C→S  BeginPlay           str name, or u8 index
933     S→C  BeginPlayReply      u16 error
434     C→S  EndPlay             empty
934     S→C  EndPlayReply        u16 0, u8 n, n × slot, …
435     C→S  NewCharacter        str name, str birthplace, seq LOOK or u32 type, u32 hair, u32 face
935     S→C  NewCharacterReply   u16 error
436     C→S  DeleteCharacter     str name or u8 index, str pin
936     S→C  DeleteCharacterReply  u16 error
516     S→C  EnterMap            see the class; EnterMapRefused is u16 error
503     S→C  MapCrash            str text
437     C→S  CancelExit          empty
937     S→C  StartExit           not known
938     S→C  ExitCancelled       not known
======  ===  ==================  ==========================================================================

Pins, registration and the key exchange stand in `games.pko.account`.
"""

from typing import Annotated

from games.characters import ACCOUNT, SAFE_TEXT
from games.composites import Repeat, Struct, Tail, When
from games.fields import I32, U8, U16, U32, Int, Rest, Sequence
from games.packet import Direction, Packet, Record, Tag, packet, record
from games.pko.bounds import (
    COMMENT,
    AnyName,
    CharacterName,
    Failure,
    LoginAccount,
    Look,
    Mac,
    Motto,
    NewName,
    NoticeText,
    PasswordDigest,
    Pin,
    PlaceName,
    Success,
)
from games.pko.styles import CLASSIC, TG
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

LOGIN_MAGIC = 911
LOGIN_REPLY_MAGIC = 0x3214
MAX_CHARACTERS = 16  # the game has three places, forks a few more (error 539: bonus characters)

SUCCEEDED = Tag(0, 2, 0)

LoginMagic = Annotated[int, Int(2, low=LOGIN_MAGIC, high=LOGIN_MAGIC)]
Passport = Annotated[bytes, String(32, characters=ACCOUNT)]  # no source knows another than "nobill"
PasswordBlob = Annotated[bytes, Sequence(24, exact_bytes=24, secret=True)]
PlayedName = Annotated[bytes, String(20, low_bytes=1, characters=SAFE_TEXT, phrases=(COMMENT,), capture="character")]


@packet(940, CLIENTBOUND)
class Greeting(Packet):
    """MC_CHAPSTR: the server's first words, a time stamp "[MM-DD hh:mm:ss:mmm]" that the login enciphers."""

    stamp: Annotated[bytes, String(32)]


@packet(431, SERVERBOUND, styles=CLASSIC)
class Login(Packet):
    """CM_LOGIN of the classic client; ``password`` is the stamp, enciphered under the password's digest."""

    passport: Passport = b"nobill"
    account: LoginAccount
    password: PasswordBlob
    mac: Mac
    magic: LoginMagic = LOGIN_MAGIC
    version: U16


@packet(431, SERVERBOUND, styles=CLASSIC)
class LoginWithAddress(Packet):
    """CM_LOGIN with the player's IPv4 address, for game servers with the stall-IP extension."""

    passport: Passport = b"nobill"
    account: LoginAccount
    password: PasswordBlob
    mac: Mac
    address: U32
    magic: LoginMagic = LOGIN_MAGIC
    version: U16


@packet(431, SERVERBOUND, styles=TG)
class LoginHashed(Packet):
    """CM_LOGIN of the TG line, sent inside its encryption: the password's hash as hexadecimal digits."""

    account: LoginAccount
    password_hash: PasswordDigest
    mac: Mac
    magic: LoginMagic = LOGIN_MAGIC
    version: U16


@record
class CharacterSlot(Record):
    """One place of the character list; the other fields are None in a place that is not ``valid``."""

    valid: Annotated[int, Int(1, high=1)] = 1
    name: Annotated[bytes | None, When("valid", frozenset({1}), String(64))] = None
    job: Annotated[bytes | None, When("valid", frozenset({1}), String(64))] = None
    level: Annotated[int | None, When("valid", frozenset({1}), Int(2))] = None
    look: Annotated[bytes | None, When("valid", frozenset({1}), Sequence(16384))] = None


CharacterList = Annotated[tuple[CharacterSlot, ...], Repeat(Int(1, high=MAX_CHARACTERS), Struct(CharacterSlot))]


@packet(931, CLIENTBOUND, tag=SUCCEEDED)
class LoginAccepted(Packet):
    """MC_LOGIN: the characters; ``comm_encrypt`` above 0 makes both sides encipher from the next frame on."""

    error: Success = 0
    key: Annotated[bytes, Sequence(64)]
    characters: CharacterList
    has_second_password: U8 = 0
    comm_encrypt: U32 = 0
    magic: Annotated[int, Int(4, low=LOGIN_REPLY_MAGIC, high=LOGIN_REPLY_MAGIC)] = LOGIN_REPLY_MAGIC


@packet(931, CLIENTBOUND)
class LoginRefused(Packet):
    """MC_LOGIN: an error number, with some servers a text; the server closes 100 ms later."""

    error: Failure
    text: Annotated[bytes | None, Tail(String(511))] = None


@packet(432, SERVERBOUND)
class Logout(Packet):
    """CM_LOGOUT: sent as a synchronous call; the server closes 65 ms after its answer."""


@packet(932, CLIENTBOUND)
class LogoutReply(Packet):
    """MC_LOGOUT: the answer."""


@packet(433, SERVERBOUND, styles=CLASSIC)
class BeginPlay(Packet):
    """CM_BGNPLAY: enter the world as the character of that name."""

    name: PlayedName


@packet(433, SERVERBOUND, styles=TG)
class BeginPlayByIndex(Packet):
    """CM_BGNPLAY of the TG line: the place of the character in the list."""

    index: U8


@packet(933, CLIENTBOUND)
class BeginPlayReply(Packet):
    """MC_BGNPLAY: an error number; after 0 the map follows (516)."""

    error: U16 = 0


@packet(434, SERVERBOUND)
class EndPlay(Packet):
    """CM_ENDPLAY: back to the choice of characters."""


@packet(934, CLIENTBOUND, tag=SUCCEEDED)
class EndPlayReply(Packet):
    """MC_ENDPLAY: the character list as in 931; what some servers write behind it is not known."""

    error: Success = 0
    characters: CharacterList
    rest: Annotated[bytes, Rest()] = b""


@packet(934, CLIENTBOUND)
class EndPlayRefused(Packet):
    """MC_ENDPLAY: an error number."""

    error: Failure


@packet(435, SERVERBOUND, styles=CLASSIC)
class NewCharacter(Packet):
    """CM_NEWCHA of the classic client: the whole LOOK; the largest frame an honest client sends."""

    name: NewName
    birthplace: PlaceName
    look: Look


@packet(435, SERVERBOUND)
class NewCharacterByType(Packet):
    """CM_NEWCHA of newer clients, in both lines: three numbers instead of the LOOK.

    Types are small numbers, and that tells the first of the three from the length of a LOOK.
    """

    name: NewName
    birthplace: PlaceName
    body_type: Annotated[int, Int(4, high=65535)]
    hair: U32
    face: U32


@packet(935, CLIENTBOUND)
class NewCharacterReply(Packet):
    """MC_NEWCHA: an error number."""

    error: U16 = 0


@packet(436, SERVERBOUND, styles=CLASSIC)
class DeleteCharacter(Packet):
    """CM_DELCHA: by name, with the digest of the second password."""

    name: CharacterName
    pin: Pin


@packet(436, SERVERBOUND, styles=TG)
class DeleteCharacterByIndex(Packet):
    """CM_DELCHA of the TG line: by the place in the list."""

    index: U8
    pin: Pin


@packet(936, CLIENTBOUND)
class DeleteCharacterReply(Packet):
    """MC_DELCHA: an error number."""

    error: U16 = 0


@packet(516, CLIENTBOUND, tag=SUCCEEDED)
class EnterMap(Packet):
    """MC_ENTERMAP: where the player is and who; sent again at each change of the map.

    ``rest`` holds what follows the base block: kit bag, skills, shortcuts. Positions are centimetres.
    SS skips four bytes fewer before the character's numbers, so some old server may leave out ``credit``.
    """

    error: Success = 0
    auto_lock: U8 = 0
    bag_lock: U8 = 0
    enter_type: U8 = 0
    is_new: U8 = 0
    map_name: AnyName
    can_team: U8 = 1
    credit: U32 = 0
    character_id: U32
    world_id: U32
    comm_id: U32 = 0
    comm_name: AnyName = b""
    gm_level: U8 = 0
    handle: U32 = 0
    control_type: U8 = 0
    name: AnyName
    motto: Motto = b""
    icon: U16 = 0
    guild_id: U32 = 0
    guild_name: AnyName = b""
    guild_motto: Motto = b""
    stall_name: AnyName = b""
    state: U16 = 0
    x: I32
    y: I32
    radius: U32 = 0
    angle: U16 = 0
    team_leader_id: U32 = 0
    is_player: U8 = 1
    rest: Annotated[bytes, Rest()] = b""


@packet(516, CLIENTBOUND)
class EnterMapRefused(Packet):
    """MC_ENTERMAP: an error number."""

    error: Failure


@packet(503, CLIENTBOUND)
class MapCrash(Packet):
    """MC_MAPCRASH: the text a gate ends a session with."""

    text: NoticeText


@packet(437, SERVERBOUND)
class CancelExit(Packet):
    """CM_CANCELEXIT: the player stays after all."""


@packet(937, CLIENTBOUND)
class StartExit(Packet):
    """MC_STARTEXIT: the countdown before the player leaves; its body is not known."""

    rest: Annotated[bytes, Rest()] = b""


@packet(938, CLIENTBOUND)
class ExitCancelled(Packet):
    """MC_CANCELEXIT: the countdown is off; its body is not known."""

    rest: Annotated[bytes, Rest()] = b""
