"""Files of overridden rules: any text gives rules that can be obeyed, or all its mistakes."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.wire.explained_rules import CLASSIC
from tidegate.errors import SettingsError
from tidegate.rule_overrides_apply import override_policy
from tunnel.policy import EdgePolicy
from wire.layout import FrameLayout

MAX_BYTES = 800
MODULES = ("tidegate.rule_overrides", "tidegate.rule_overrides_apply", "tidegate.rule_overrides_draft")
SPARE_BYTES = 2 << 20
"""A file is read with a buffer as large as the largest that is allowed."""

_LAYOUT = FrameLayout(min_frame_bytes=8, max_frame_bytes=400, bare_frame_bytes=(2,))
_POLICY = EdgePolicy("pko", "classic", _LAYOUT, _LAYOUT, rules=CLASSIC)
_FILE = tempfile.NamedTemporaryFile(suffix=".toml")  # noqa: SIM115 - for all cases, gone with the process


def fuzz_one(data: bytes) -> None:
    """Apply a file."""
    Path(_FILE.name).write_bytes(data)
    try:
        policy = override_policy(_POLICY, _FILE.name)
    except SettingsError as error:
        assert str(error)
        return
    assert policy.rules is not None
    assert [rule.name for rule in policy.rules.rules] == [rule.name for rule in CLASSIC.rules]


def seeds() -> Iterable[bytes]:
    """Good files."""
    yield b'[session]\nframes_per_second = 64\nframes_burst = 64\n[checks.layout]\nmode = "audit"\naction = "drop"\n'
    yield b'[packets.SAY]\nper_second = 2\nburst = 6.5\nmode = "enforce"\n[packets.431]\nmax_body_bytes = 100\n'
    yield b'[packets."BEGINACTION MOVE"]\nrate_action = "drop"\ncost = 1e2\n'
    yield b"[session]\nmax_frame_bytes = 200\nbytes_per_second = inf\n"
