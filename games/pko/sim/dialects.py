"""Which dialects are scripted: those of the classic line, whose login needs no key exchange."""

from games.pack import Codec
from games.pko.framing import DIALECTS
from games.registry import load_pack
from wire.errors import MisuseError

SCRIPTED = tuple(name for name, dialect in DIALECTS.items() if dialect.style == "classic")


def scripted_codec(dialect: str = "") -> Codec:
    """Return the codec of a dialect, the first if none is named; raises MisuseError where it is not scripted."""
    return check_scripted(load_pack("pko").codec(dialect))


def check_scripted(codec: Codec) -> Codec:
    """Return ``codec``; raises MisuseError where its login is not scripted."""
    if codec.dialect.name not in SCRIPTED:
        raise MisuseError(f"dialect {codec.dialect.name} is not scripted; those that are: {', '.join(SCRIPTED)}")
    return codec
