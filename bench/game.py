"""What the benchmark plays: the origin's first words, and the rules of the relays under test.

The load's sessions are players in the game (`bench/load/frames.h`), so the origin says what a game server says when
it lets one in. Every check of the game's rules is on and every rate is kept, but rates stand far above what any load
sends; ``FRAMING_ONLY`` switches all checks off, and the difference is what sanitation costs.
"""

from pathlib import Path

from games.packet import Packet
from games.pko.connection import EnterMap, Greeting, LoginAccepted
from games.registry import load_pack
from wire.rules import Check

DIALECT = "classic"

_SAID_FIRST: tuple[Packet, ...] = (
    Greeting(stamp=b"[11-22 12:00:00:000]"),
    LoginAccepted(key=bytes(8), characters=()),
    EnterMap(map_name=b"garner", character_id=1, world_id=1, name=b"Nobody", x=217_000, y=278_000),
)

ALL_CHECKS = """\
[session]
frames_per_second = 1e6
frames_burst = 1e6
bytes_per_second = 1e9
bytes_burst = 1e9
[packets.1]
per_second = 1e6
burst = 1e6
[packets.9]
per_second = 1e6
burst = 1e6
"""

FEATURES = """\
order = ["bans", "oneclient", "commands", "moderation", "speedguard", "announce", "presence", "webhook", "realip"]
[bans]
[oneclient]
[commands]
[moderation]
words = ["leecher", "goldseller"]
emit_chat = true
[webhook]
[[webhook.targets]]
name = "nobody"
url = "http://127.0.0.1:9/"
events = ["login", "ban", "incident"]
[realip]
mode = "hardware_suffix"
[speedguard]
mode = "audit"
[announce]
[presence]
"""
"""All built-in features; moderation tells every line, and the webhook listens."""

FRAMING_ONLY = "".join(f'[checks.{check}]\nmode = "off"\n' for check in Check)


def greeting() -> bytes:
    """Return what the origin says to whoever connects."""
    codec = load_pack("pko").codec(DIALECT)
    return b"".join(codec.seal(packet) for packet in _SAID_FIRST)


def write_features(folder: Path) -> Path:
    """Write the settings of all built-in features into a folder of their own and return where it is."""
    path = folder / "features"
    path.mkdir(exist_ok=True)
    (path / "features.toml").write_text(FEATURES)
    return path


def write_rules(folder: Path, rules: str) -> Path:
    """Write a rules file into a folder and return where it is."""
    path = folder / "rules.toml"
    path.write_text(rules)
    return path
