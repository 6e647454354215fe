"""The guide to features: its code is loaded by the loader, driven with the kit, and its figures are the code's."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.features import DROP, Direction, Event, Feature, RawPacket
from core.features.containment import MAX_FAILURES, MAX_OVERRUNS, SAY_SECONDS, WINDOW_SECONDS, Containment, Loaded
from core.features.folder import FeatureFolder
from core.features.inspector import MAX_SENT_PER_FRAME
from core.features.kept import MAX_KEPT_BYTES
from core.features.kit import Kit
from core.features.loader import builtin_names
from core.features.relay import MAX_TIMERS, MAX_WORK
from core.features.watchdog import HANGS_AFTER
from core.features.webhook_body import make_body, make_report, sign
from games.pko.chat import Say, Whisper
from games.registry import load_pack
from tidegate.settings_core import FeatureSettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "features.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def named(text: str) -> tuple[str, str]:
    """Return a block's file name, which its first line says, and the block."""
    found = re.match(r"# (\w+\.(?:py|toml))\n", text)
    assert found is not None, f"no file name above: {text[:60]}"
    return found[1], text


FILES = dict(named(text) for text in (*blocks(PAGE, "python"), *blocks(PAGE, "toml")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features")
    for name, text in FILES.items():
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def features(folder: Path) -> dict[str, Loaded]:
    """All features of the page, loaded as a core does, those that the settings turn off, too."""
    settings = folder / "features.toml"
    settings.write_text(settings.read_text().replace("enabled = false", ""))
    pack = load_pack("pko")
    loading = asyncio.run(FeatureFolder(folder, pack, pack.codec("")).load())
    assert loading.mistakes == ()
    return {loaded.name: loaded for loaded in loading.features}


Make = Callable[[str], Kit[Any]]


@pytest.fixture
def kit_of(features: dict[str, Loaded]) -> Make:
    def make(name: str) -> Kit[Any]:
        feature = features[name].feature
        cls: type[Feature] = type(feature)
        return Kit(cls, feature.settings.model_dump(), operators=("root",))

    return make


def test_the_page_has_a_settings_file_and_features() -> None:
    assert "features.toml" in FILES
    assert len([name for name in FILES if name.endswith(".py") and not name.startswith("test_")]) == 6


def test_all_are_loaded_in_the_order_that_the_page_says(features: dict[str, Loaded]) -> None:
    assert list(features) == ["editor", "greeter", "ahoy", "commands", "tide", "vip", "welcome"]


@pytest.mark.timeout(60)
def test_the_test_on_the_page_passes(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=DOCS.parent)
    assert "1 passed" in finished.stdout, finished.stdout


@pytest.mark.timeout(60)
def test_the_types_are_right(folder: Path) -> None:
    names = [str(folder / name) for name in FILES if name.endswith(".py")]
    command = [sys.executable, "-m", "mypy", "--strict", *names]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=DOCS.parent)
    assert finished.returncode == 0, finished.stdout


def test_ahoy(kit_of: Make) -> None:
    player = kit_of("ahoy").player(character="Bert")
    player.says(Say(text=b"hi"))
    assert player.texts == [b"Ahoy, Bert! 2 bytes heard."]


def test_editor(kit_of: Make) -> None:
    player = kit_of("editor").player()
    assert player.says(Say(text=b"Buy GOLD at x")) == []
    assert player.says(Whisper(to=b"Bob", text=b"damn it")) == [Whisper(to=b"Bob", text=b"**** it")]
    assert player.texts == [b"Nobody has heard that."]


def test_vip(kit_of: Make) -> None:
    kit = kit_of("vip")
    sent = RawPacket(6412, b"abc", Direction.SERVERBOUND)
    assert kit.player().says(sent) == [sent]
    assert kit.log.lines == [("vip_asked", {"account": "anna", "body_bytes": 3})]  # type: ignore[attr-defined]


def test_welcome(kit_of: Make) -> None:
    kit = kit_of("welcome")
    kit.player().leave()
    assert kit.player().texts == [b"Visit number 2."]


def test_tide(kit_of: Make) -> None:
    kit = kit_of("tide")
    player = kit.player()
    kit.advance(6 * 3600)
    assert player.texts == [b"The tide is rising."]
    assert kit.commands["tide"].run(player.session, "") == "High water."
    assert kit.commands["settide"].for_operators
    assert kit.commands["settide"].run(player.session, "low") is None
    assert kit.commands["tide"].run(player.session, "") == "Low water."
    kit.advance(6 * 3600)
    assert player.popups == [b"Twelve hours are enough."]


def test_greeter_has_the_settings_of_the_page(kit_of: Make) -> None:
    kit = kit_of("greeter")
    player = kit.player()
    assert player.texts == []
    kit.advance(1)
    assert player.texts == [b"Welcome to the Eastern Sea."]


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_feature_is_linked_and_has_a_page(name: str) -> None:
    assert f"[{name}](features/{name}.md)" in PAGE
    assert (DOCS / "features" / f"{name}.md").exists()


def test_every_hook_is_named() -> None:
    hooks = set(vars(Feature)) - {"settings", "players", "bans", "store", "commands", "log", "is_operator"}
    for name in hooks - {"now", "wall_time", "after", "spawn", "emit"}:
        assert name.startswith("_") or f"`{name}(" in PAGE or f"async {name}(" in PAGE, name
    assert DROP is not None


def test_figures_are_those_of_the_code() -> None:
    settings = FeatureSettings.model_validate({})
    hangs_seconds = HANGS_AFTER * settings.call_limit_milliseconds / 1000
    for said in (
        f"fails {MAX_FAILURES} times, or is stopped {MAX_OVERRUNS} times, in {WINDOW_SECONDS:g} s",
        f"at most once in {SAY_SECONDS:g} s per feature",
        f"takes over {settings.call_budget_milliseconds:g} ms",
        f"takes over {settings.call_limit_milliseconds:g} ms",
        f"`feature_hangs`, after {hangs_seconds:g} s",
        f"over {MAX_TIMERS} timers or {MAX_WORK} pieces of work",
        f"over {MAX_SENT_PER_FRAME} packets for one",
        f"at most {MAX_KEPT_BYTES // 1024} KiB",
    ):
        assert said in PAGE
    assert Containment(lambda: 0).budget_ns == settings.call_budget_milliseconds * 1e6


def test_the_receiver_on_the_page_of_webhook_knows_what_is_genuine(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks((DOCS / "features" / "webhook.md").read_text(), "python")
    names: dict[str, Any] = {}
    exec(code, names)
    monkeypatch.setattr("time.time", lambda: 1_700_000_100.0)
    body, _ = make_body("json", [make_report("1", 0, Event("ban"))])
    assert json.loads(body)["events"][0]["kind"] == "ban"
    signature = sign(b"key", 1_700_000_000, body)
    assert names["is_genuine"](b"key", "1700000000", signature, body)
    assert not names["is_genuine"](b"other", "1700000000", signature, body)
    assert not names["is_genuine"](b"key", "1600000000", sign(b"key", 1_600_000_000, body), body)
