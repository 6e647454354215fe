"""Who a relay or an operator is by its certificate: role, region and name, as the certificate's URI says them.

=====================================  =================================================================
``tidegate://edge/REGION/NAME``        an edge; both must be what it says of itself when it attaches
``tidegate://core/REGION/NAME``        a core
``tidegate://admin/NAME``              an operator's command line
=====================================  =================================================================

Made by `fleet.authority`, checked by `fleet.tls`. It knows no cryptography.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["edge", "core", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

SCHEME = "tidegate://"
MAX_NAME_CHARACTERS = 64
"""The bound on names in settings, and the longest common name that X.520 allows."""

NAME_RULE = f"1 to {MAX_NAME_CHARACTERS} letters, digits, dots, dashes or underscores"

_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME_CHARACTERS}}}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Role, name and region; an admin has no region. Raises ValueError for names that cannot be."""

    role: Role
    name: str
    region: str = ""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if self.role == "admin":
            if self.region:
                raise ValueError("an admin has no region")
        else:
            check_name("region", self.region)

    @property
    def uri(self) -> str:
        """Return it as the certificate has it."""
        return SCHEME + "/".join(part for part in (self.role, self.region, self.name) if part)

    def __str__(self) -> str:
        return f"{self.role} {self.name}" + (f" in {self.region}" if self.region else "")


def check_name(what: str, text: str) -> None:
    """Raise ValueError unless a text can be a name or a region; ``what`` says which it is to be."""
    if not _NAME.fullmatch(text):
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise ValueError(f"{shown!r} is no {what}: write {NAME_RULE}")


def parse_identity(uri: str) -> Identity:
    """Read a certificate's URI; raises ValueError for one that is none of ours."""
    parts = uri.removeprefix(SCHEME).split("/")
    role = next((each for each in ROLES if each == parts[0]), None)
    if not uri.startswith(SCHEME) or role is None or len(parts) != (2 if role == "admin" else 3):
        raise ValueError(f"{uri[:120]!r} names no edge, core or admin")
    return Identity(role, parts[-1], "" if role == "admin" else parts[1])
