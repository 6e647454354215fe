"""Field types that several packets of the game share, with the origin of each bound.

Where sources differ the largest real value stands: a bound here keeps memory and parsers safe; what a
server wants to allow its players is a matter of rules. All text is bytes, because the wire does not name
its charset (GBK, Windows-1251 and ASCII are all in use). What a client sends is bound in its characters too, where
servers write it into database statements; what a server sends is not.

Numbers in brackets are sections of the protocol notes; short names of sources are theirs.
"""

from typing import Annotated

from games.characters import ACCOUNT, ALPHANUMERIC, HARDWARE, HEXADECIMAL, NAME, PLACE, SAFE_TEXT, TEXT
from games.fields import Int, Sequence
from games.texts import String

MAX_NOTICE_BYTES = 511
"""SS takes strings of at most 512 bytes with their NUL [2]."""

MAX_PATH_POINTS = 32
"""The server copies a path into 32 points [4.3, 4b no. 4]."""

MAP_SIDE_CM = 409_600
"""Largest maps: 4096 units of a metre to each side [4.3]."""

MAX_GOLD = 2_000_000_000
"""More overflows a sum, or is taken for another item's price [4b no. 13]."""

MAX_CREDIT = 2_000_000
"""[4b no. 13]"""

COMMENT = b"--"
"""What makes a database ignore the rest of a statement [4b no. 10]."""

Account = Annotated[bytes, String(32, low_bytes=1, characters=ACCOUNT)]
"""DK allows 32 bytes, PX 20 [4b]."""

LoginAccount = Annotated[bytes, String(32, low_bytes=1, characters=ACCOUNT, capture="account")]
"""The same, of a player who logs in."""

CharacterName = Annotated[bytes, String(20, low_bytes=1, characters=SAFE_TEXT, phrases=(COMMENT,))]
"""PX allows 20 bytes, the group server 16 [4b]. Of existing names only what is dangerous is refused."""

NewName = Annotated[bytes, String(20, low_bytes=1, characters=NAME)]
"""PX allows 20 letters and digits [4b]."""

AnyName = Annotated[bytes, String(64)]
"""A name the server tells: of a character, guild (DK 32), stall (DK 64), map or place; may be empty."""

PlaceName = Annotated[bytes, String(64, characters=PLACE, phrases=(COMMENT,))]
"""A birthplace or a map as a client names it; PX allows letters and blanks [4b], no source gives a length."""

Motto = Annotated[bytes, String(128)]
"""A motto the server tells; DK allows 128 bytes, the others less [4b]."""

Mac = Annotated[bytes, String(64, characters=HARDWARE, phrases=(COMMENT,), capture="hardware")]
"""A hardware address: 23 characters [4.1], other ids in forks that have them."""

PasswordDigest = Annotated[bytes, String(64, characters=HEXADECIMAL, secret=True)]
"""Upper-case MD5 is 32 characters, BLAKE2s 64 [1.7]."""

Pin = Annotated[bytes, String(32, characters=ALPHANUMERIC, secret=True)]
"""The digest of a second password: 32 upper-case hexadecimal digits [4.1]; PX allows all letters [4b]."""

ChatText = Annotated[bytes, String(256, characters=TEXT)]
"""DK allows 256 bytes, the group server 200 [4.2, 4b]."""

OperatorText = Annotated[bytes, String(500, characters=TEXT)]
"""What an operator says to all: the group server allows 500 bytes [4.2]."""

Gold = Annotated[int, Int(4, high=MAX_GOLD)]

ItemCount = Annotated[int, Int(2, signed=True, low=1, high=999)]
"""Zero and less are an exploit [4b no. 9]; a stack holds 999 (DK)."""

Grid = Annotated[int, Int(2, signed=True, low=-2, high=127)]
"""A place of a bag; -2 is onto the ground. Bags have 128 places (DK) [4b no. 9]."""

Coordinate = Annotated[int, Int(4, signed=True, high=MAP_SIDE_CM, low=0)]
"""A place on the map in centimetres, outside of paths."""

PageNumber = Annotated[int, Int(2, high=32767)]
"""The server indexes with the page, as a signed word [4b no. 8]."""

RowsPerPage = Annotated[int, Int(2, low=1, high=255)]
"""The server divides by it [4b no. 8]; no window of the game shows as many rows."""

NoticeText = Annotated[bytes, String(MAX_NOTICE_BYTES)]

Look = Annotated[bytes, Sequence(16384)]
"""What a character wears: 1626 bytes in the classic client, several times that in forks with 34 slots [2]."""

Failure = Annotated[int, Int(2, low=1)]
"""An error number [3.6] other than success: 0 has a layout of its own."""

Success = Annotated[int, Int(2, low=0, high=0)]
"""The error number 0 of a reply that has more to say."""
