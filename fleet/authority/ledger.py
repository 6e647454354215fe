"""What an authority has issued: one line of JSON for each certificate, in a file that people can read.

Written whole each time, by `fleet.authority.authority`. It holds no keys.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet.authority.files import PUBLIC, AuthorityError, read, write
from fleet.identity import Identity, Role, parse_identity

MAX_BYTES = 16 << 20
"""Some 80,000 certificates: a thousand relays, renewed every month for six years."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate. ``serial`` is hexadecimal; times are ISO 8601 in UTC, ``revoked`` is empty if it is not.

    ``authority`` is the name of who issued it (`fleet.authority.signers`), empty where there was only one at that time.
    """

    serial: str
    role: Role
    name: str
    region: str
    issued: str
    expires: str
    revoked: str = ""
    authority: str = ""

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return Identity(self.role, self.name, self.region)

    @property
    def expires_at(self) -> datetime:
        """When it ends."""
        return datetime.fromisoformat(self.expires)

    def state(self, now: datetime) -> str:
        """Return ``valid``, ``expired`` or ``revoked``."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires_at <= now else "valid"


def read_ledger(path: Path) -> list[Entry]:
    """Read all entries, the oldest first; raises AuthorityError for a file that was not written by us."""
    lines = read(path, MAX_BYTES).decode(errors="replace").splitlines()
    return [_parse(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def write_ledger(path: Path, entries: Iterable[Entry]) -> None:
    """Replace the file; raises AuthorityError."""
    write(path, "".join(f"{json.dumps(asdict(each))}\n" for each in entries).encode(), PUBLIC)


def _parse(path: Path, number: int, line: str) -> Entry:
    try:
        fields: Any = json.loads(line)
        entry = Entry(**fields)
        int(entry.serial, 16)
        for time in (entry.issued, entry.expires, *filter(None, (entry.revoked,))):
            if datetime.fromisoformat(time).tzinfo is None:
                raise ValueError("a time without a zone")
        if parse_identity(entry.identity.uri) != entry.identity:
            raise ValueError("a name that cannot be")
        if entry.authority:
            int(entry.authority, 16)
    except (TypeError, ValueError, RecursionError) as error:
        raise AuthorityError(f"{path}:{number} is no entry of this ledger; put back a copy of the file") from error
    return entry
