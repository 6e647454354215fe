"""What our things are called in Redis. Every key and channel begins with one prefix that holds a hash tag.

==============================  ======  ================================================================  =========
key                             type    what it holds                                                     expires
==============================  ======  ================================================================  =========
``PREFIX:marker``               hash    a random ``id``, by which an emptied Redis is known, and          no
                                        ``writes``, by which one that has lost its last writes is known;
                                        the last ``epoch`` that a core has begun
``PREFIX:owners``               zset    living processes by the time (ms) at which their lease ends       a day
``PREFIX:value:KEY``            string  a value                                                           as put
``PREFIX:table:TABLE``          hash    the fields of a table                                             no
``PREFIX:owned:OWNER:TABLE``    hash    the fields that one process owns                                  lease
``PREFIX:claim:NAME``           zset    ``OWNER HOLDER`` by the time (µs) since when it is held           an hour
``PREFIX:told``                 channel what processes tell each other (`messages`)                       –
==============================  ======  ================================================================  =========

The hash tag puts all keys into one slot of a Cluster, so that scripts may use several of them.
"""

import re

from wire.errors import MisuseError

DEFAULT_PREFIX = "{tidegate}"
MAX_PREFIX_CHARACTERS = 64

_PREFIX = re.compile(r"[A-Za-z0-9._:/-]*\{[A-Za-z0-9._:/-]+\}[A-Za-z0-9._:/-]*")


class Names:
    """The names below one prefix; raises MisuseError for one that cannot be."""

    __slots__ = ("channel", "marker", "owners", "prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = check_prefix(prefix)
        self.marker = f"{prefix}:marker"
        self.owners = f"{prefix}:owners"
        self.channel = f"{prefix}:told"

    def value(self, key: str) -> str:
        """Return where a value is."""
        return f"{self.prefix}:value:{key}"

    def table(self, table: str) -> str:
        """Return where a table is."""
        return f"{self.prefix}:table:{table}"

    def owned(self, owner: str, table: str) -> str:
        """Return where the fields of one process are."""
        return f"{self.prefix}:owned:{owner}:{table}"

    def claim(self, name: str) -> str:
        """Return where the holders of a name are."""
        return f"{self.prefix}:claim:{name}"


def check_prefix(prefix: str) -> str:
    """Return a prefix that can be one; raises MisuseError."""
    if len(prefix) > MAX_PREFIX_CHARACTERS or not _PREFIX.fullmatch(prefix):
        raise MisuseError(
            f"{prefix[:MAX_PREFIX_CHARACTERS]!r} is no prefix for keys: write one with a hash tag in braces, such as "
            f"{DEFAULT_PREFIX} or game1:{DEFAULT_PREFIX}, of at most {MAX_PREFIX_CHARACTERS} letters, digits, . _ : / -"
        )
    return prefix
