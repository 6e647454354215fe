"""Packets about the account: the TG line's key exchange, registration, passwords and pins.

Layouts are those of table 4.1 of the protocol notes. Everything here is secret: never log a value.

======  ===  ==============  ==============================================
opcode  way  class           body
======  ===  ==============  ==============================================
943     S→C  PublicKey       u16 size, seq DER
355     C→S  PrivateKey      str base64
944     S→C  Handshake       not known
438     C→S  Register        str user, str password digest, str e-mail
6415    C→S  ChangePassword  str password digest, str pin digest
346     C→S  CreatePin       str pin
347     C→S  UpdatePin       str old, str new
======  ===  ==============  ==============================================
"""

from typing import Annotated

from games.characters import BASE64, MAIL
from games.fields import U16, Rest, Sequence
from games.packet import Direction, Packet, packet
from games.pko.bounds import COMMENT, Account, PasswordDigest, Pin
from games.pko.styles import TG
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND


@packet(943, CLIENTBOUND, styles=TG)
class PublicKey(Packet):
    """MC_SEND_SERVER_PUBLIC_KEY: the server's first frame, its RSA key, new for each connection."""

    size: U16
    key: Annotated[bytes, Sequence(2048)]


@packet(355, SERVERBOUND, styles=TG)
class PrivateKey(Packet):
    """CM_SEND_PRIVATE_KEY: the client's first frame, the session key under the server's RSA key, as base64."""

    key: Annotated[bytes, String(2048, characters=BASE64, secret=True)]


@packet(944, CLIENTBOUND, styles=TG)
class Handshake(Packet):
    """MC_SEND_HANDSHAKE: from the next frame on everything behind the session word is encrypted."""

    rest: Annotated[bytes, Rest()] = b""


@packet(438, SERVERBOUND)
class Register(Packet):
    """CM_REGISTER: a new account; resets the packet counter."""

    user: Account
    password_digest: PasswordDigest
    # No source gives a bound; mail itself allows no longer address.
    mail: Annotated[bytes, String(254, characters=MAIL, phrases=(COMMENT,))]


@packet(6415, SERVERBOUND)
class ChangePassword(Packet):
    """CP_CHANGEPASS: a new password, vouched for by the pin."""

    password_digest: PasswordDigest
    pin_digest: PasswordDigest


@packet(346, SERVERBOUND)
class CreatePin(Packet):
    """CM_CREATE_PASSWORD2: the first second password."""

    pin: Pin


@packet(347, SERVERBOUND)
class UpdatePin(Packet):
    """CM_UPDATE_PASSWORD2: a new second password."""

    old: Pin
    new: Pin
