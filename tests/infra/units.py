"""Unit files as they are written: a key may stand several times."""

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "systemd"
PROGRAM = "/opt/tidegate/bin/tidegate"
UNITS = sorted(FOLDER.glob("*.service"))

WITHOUT_CERTIFICATES = {
    **{f"TIDEGATE_TLS_{name}_FILE": "" for name in ("CERTIFICATE", "KEY", "AUTHORITY", "REVOKED")},
    "TIDEGATE_TLS_INSECURE": "true",
}
"""For looking at settings where no certificate has been made."""

Unit = Mapping[tuple[str, str], list[str]]


def read_unit(file: Path) -> Unit:
    """Return every value by section and key, in order."""
    found: dict[tuple[str, str], list[str]] = {}
    section = ""
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, equals, value = line.partition("=")
        assert section, f"{file.name}:{number} is in no section"
        assert equals, f"{file.name}:{number} is no setting: {line}"
        found.setdefault((section, key), []).append(value)
    return found
