"""A core follows its rules file: good versions reach every edge and its sessions, bad ones change nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.core import Core
from core.policy import compile_policy
from games.registry import load_pack
from tests.relays import core_config, echo, edge_config, running_core, running_edge, running_origin
from tidegate.errors import SettingsError
from tidegate.rule_overrides_reload import RulesReload
from wire.rules import Check, Mode


class RulesFile:
    """A rules file that a core follows."""

    def __init__(self, file: Path, core: Core, text: str) -> None:
        self.file = file
        self.core = core
        file.write_text(text)
        self._reload = RulesReload(core, str(file))

    @property
    def modes(self) -> dict[Check, Mode]:
        assert self.core.policy.rules is not None
        return dict(self.core.policy.rules.modes)

    async def change(self, text: str) -> tuple[dict[str, object], list[str]]:
        """Write another text; return the line that is logged about it, however often is looked, and the mistakes."""
        self.file.write_text(text)
        with capture_logs() as logs:
            for _ in range(4):
                await self._reload.poll()
        # The tunnels of the same process write lines of their own.
        ours = [log for log in logs if log["event"].startswith("rules_")]
        return dict(ours[0]), [log["mistake"] for log in ours[1:]]


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    async with (
        running_origin(echo) as port,
        running_core(core_config(port, dialect="classic"), load_pack("pko")) as core,
    ):
        yield core


async def test_a_good_version_holds_and_a_bad_one_changes_nothing(core: Core, tmp_path: Path) -> None:
    rules = RulesFile(tmp_path / "rules.toml", core, '[checks.size]\nmode = "off"\n')
    assert rules.modes == {Check.SIZE: Mode.OFF}

    loaded, mistakes = await rules.change('[checks.layout]\nmode = "audit"\n')
    assert (loaded["event"], loaded["changes"]) == ("rules_loaded", "2 checks (size, layout)")
    assert not mistakes
    assert rules.modes == {Check.LAYOUT: Mode.AUDIT}

    refused, mistakes = await rules.change('[checks.layout]\nmode = "x"\n[packets.SAI]\n')
    assert (refused["event"], refused["mistakes"]) == ("rules_refused", 2)
    assert [mistake.rpartition("rules.toml:")[2][:18] for mistake in mistakes] == [
        "1: checks.layout.m",
        "3: packets.SAI: no",
    ]
    assert rules.modes == {Check.LAYOUT: Mode.AUDIT}

    refused, mistakes = await rules.change("".join(f"[packets.x{each}]\n" for each in range(60)))
    assert (refused["mistakes"], len(mistakes), mistakes[-1][:8]) == (60, 51, "10 more;")

    back, _ = await rules.change("")
    assert back["changes"] == "1 check (layout)"
    assert core.policy == compile_policy(load_pack("pko"), "classic")


async def test_an_edge_hears_of_it(core: Core, tmp_path: Path) -> None:
    rules = RulesFile(tmp_path / "rules.toml", core, "")
    async with running_edge(edge_config(core.port)) as edge, asyncio.timeout(5):
        before = await edge.wait_ready()
        assert before == core.policy
        loaded, _ = await rules.change("[packets.SAY]\nper_second = 7\n")
        assert loaded["tunnels"] == 1
        assert edge.tunnel is not None
        while edge.tunnel.policy == before:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.001)
        assert edge.tunnel.policy == core.policy != before


async def test_a_bad_file_keeps_a_core_from_starting(core: Core, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such packet"):
        RulesFile(tmp_path / "rules.toml", core, "[packets.SAI]\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        RulesReload(core, str(tmp_path / "gone.toml"))


async def test_without_a_file_there_is_nothing_to_do(core: Core) -> None:
    before = core.policy
    running = asyncio.create_task(RulesReload(core, "").run())
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    assert core.policy is before
