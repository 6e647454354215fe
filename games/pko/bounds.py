"""Field types that several packets of the game share, with the origin of each bound.

Where sources differ the largest real value stands: a bound here keeps memory and parsers safe; what a
server wants to allow its players is a matter of rules. All text is bytes, because the wire does not name
its charset (GBK, Windows-1251 and ASCII are all in use).

Numbers in brackets are sections of the protocol notes; short names of sources are theirs.
"""

from typing import Annotated

from games.fields import Int, Sequence, String

MAX_NOTICE_BYTES = 511
"""SS takes strings of at most 512 bytes with their NUL [2]."""

MAX_PATH_POINTS = 32
"""The server copies a path into 32 points [4.3, 4b no. 4]."""

Account = Annotated[bytes, String(32, low_bytes=1)]
"""DK allows 32 bytes, PX 20 [4b]."""

CharacterName = Annotated[bytes, String(20, low_bytes=1)]
"""PX allows 20 bytes, the group server 16 [4b]."""

AnyName = Annotated[bytes, String(64)]
"""A name the server tells: of a character, guild (DK 32), stall (DK 64), map or place; may be empty."""

Motto = Annotated[bytes, String(128)]
"""A motto the server tells; DK allows 128 bytes, the others less [4b]."""

Mac = Annotated[bytes, String(64)]
"""A hardware address: 23 characters, 39 where a proxy adds ";" and an IPv4 address [4.1, 5.11]."""

PasswordDigest = Annotated[bytes, String(64)]
"""Upper-case MD5 is 32 characters, BLAKE2s 64 [1.7]."""

Pin = Annotated[bytes, String(32)]
"""The digest of a second password: 32 upper-case hexadecimal digits [4.1]."""

ChatText = Annotated[bytes, String(256)]
"""DK allows 256 bytes, the group server 200 [4.2, 4b]."""

OperatorText = Annotated[bytes, String(500)]
"""What an operator says to all: the group server allows 500 bytes [4.2]."""

NoticeText = Annotated[bytes, String(MAX_NOTICE_BYTES)]

Look = Annotated[bytes, Sequence(16384)]
"""What a character wears: 1626 bytes in the classic client, several times that in forks with 34 slots [2]."""

Failure = Annotated[int, Int(2, low=1)]
"""An error number [3.6] other than success: 0 has a layout of its own."""

Success = Annotated[int, Int(2, low=0, high=0)]
"""The error number 0 of a reply that has more to say."""
