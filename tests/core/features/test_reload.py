"""Features that change while players play: switched between two packets; what is kept stays, nothing old acts on."""

import asyncio
from pathlib import Path

import pytest

from core.features.errors import FeatureError
from core.features.folder import FeatureFolder
from core.features.host import FeatureHost
from core.features.kit import KitBans
from core.features.reload import FeatureReload
from core.store.memory import MemoryStore
from games.pko.chat import Say
from tests.core.features.road import PACK, Road, settled

HEAD = """\
from dataclasses import dataclass, replace
from core.features import *
from games.pko.chat import Say

@dataclass(frozen=True)
class Tally:
    said: int = 0
{more}

class Counting(Feature):
    account = PerAccount(Tally{version})
    own = PerSession(Tally)
    all = Fleet(Tally)
    scratch = Scratch(list)
"""

COUNTING = (
    HEAD
    + """
    def started(self):
        self.emit("started", here=len(list(self.players.here)))

    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        self.account[session] = replace(self.account[session], said=self.account[session].said + 1)
        self.own[session] = Tally(said=self.own[session].said + 1)
        self.all.set(Tally(said=self.all.get().said + 1))
        self.scratch[session].append(1)
        counts = self.account[session], self.own[session], self.all.get()
        text = b" ".join(b"%d" % each.said for each in counts) + b" %d" % len(self.scratch[session])
        return replace(packet, text=b"MARK " + text)
"""
)


def counting(mark: str = "A", more: str = "", version: str = "") -> str:
    return COUNTING.replace("MARK", mark).format(more=more, version=version)


class World:
    """A host that follows a folder; nothing runs by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.host = FeatureHost(PACK, "classic", MemoryStore(), KitBans())
        self.folder = FeatureFolder(path, PACK, self.host.codec)
        self.reload = FeatureReload(self.host, self.folder)

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    async def changed(self, name: str, text: str) -> None:
        self.write(name, text)
        await self.reload.reload()


async def world_of(path: Path, **files: str) -> World:
    world = World(path)
    for name, text in files.items():
        world.write(f"{name}.py", text)
    await world.reload.start()
    return world


def said(road: Road) -> bytes:
    """What the feature makes of a packet."""
    road.says(Say(text=b"x"))
    (packet,) = road.at_server()
    assert isinstance(packet, Say)
    return packet.text


async def test_what_is_kept_survives_a_reload_and_scratch_does_not(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    road = await Road(world.host).enter()
    assert [said(road), said(road)] == [b"A 1 1 1 1", b"A 2 2 2 2"]
    await world.changed("counting.py", counting("B"))
    assert [said(road), said(road)] == [b"B 3 3 3 1", b"B 4 4 4 2"]
    assert len(road.session.scratch) == 1, "the old one's scratch is gone"


async def test_many_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("0"))
    road = await Road(world.host).enter()
    sizes = []
    for number in range(1, 31):
        await world.changed("counting.py", counting(str(number)))
        assert said(road).startswith(b"%d %d " % (number, number))
        sizes.append((len(world.host._relays), len(road.session.scratch), len(world.host.book._values)))
    assert sizes[-1] == sizes[1]


async def test_a_new_field_has_its_default_and_one_that_is_gone_is_dropped(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A", more="    extra: int = 5"))
    road = await Road(world.host).enter()
    assert said(road) == b"A 1 1 1 1"
    await world.changed("counting.py", counting("B", more="    other: str = 'x'"))
    assert said(road) == b"B 2 2 2 1"


async def test_another_version_is_migrated(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    road = await Road(world.host).enter()
    said(road)
    migrate = ', version=2, migrate=lambda version, old: {"said": old["said"] * 100 + version}'
    await world.changed("counting.py", counting("B", version=migrate))
    assert said(road) == b"B 102 2 2 1"
    assert said(road) == b"B 103 3 3 2"


async def test_another_version_without_migration_begins_anew(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    road = await Road(world.host).enter()
    said(road)
    await world.changed("counting.py", counting("B", version=", version=2"))
    assert said(road) == b"B 1 2 2 1"


@pytest.mark.parametrize("wrong", ["(", "x = 1", "raise SystemExit(3)", "import nowhere_to_be_found"])
async def test_what_does_not_load_leaves_the_old_one_running(tmp_path: Path, wrong: str) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    road = await Road(world.host).enter()
    old = world.host.plan
    await world.changed("counting.py", wrong)
    assert world.host.plan.features == old.features
    assert said(road) == b"A 1 1 1 1"
    await world.changed("counting.py", counting("B"))
    assert said(road) == b"B 2 2 2 1"


async def test_a_feature_that_is_removed_is_asked_no_more(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    road = await Road(world.host).enter()
    said(road)
    (tmp_path / "counting.py").unlink()
    await world.reload.reload()
    assert said(road) == b"x"
    assert world.host.plan.features == ()


async def test_a_feature_that_comes_later_knows_who_is_playing(tmp_path: Path) -> None:
    """The first feature is put into the folder while players play."""
    world = await world_of(tmp_path)
    road = await Road(world.host).enter()
    await world.changed("counting.py", counting("A"))
    assert road.session.account == "anna"
    assert road.session.is_in_game
    assert said(road) == b"A 1 1 1 1"


CLOCK = """\
from core.features import *
TICKS = []
class Clock(Feature):
    def started(self):
        TICKS.clear()
        self.after(0.01, lambda: self.emit("MARK after"))
        self.spawn(self.work())
    async def work(self):
        import asyncio
        while True:
            await asyncio.sleep(0.01)
            self.emit("MARK work")
    @every(0.05)
    def tick(self):
        self.emit("MARK every")
    def stopped(self):
        self.emit("MARK stopped")
        self.after(0.001, lambda: self.emit("MARK too late"))
"""
EARS = """\
import asyncio
from core.features import *
class Ears(Feature):
    def __init__(self):
        self.heard = asyncio.Queue()
    def noticed(self, event):
        self.heard.put_nowait(event.kind)
"""


async def heard_until(heard: asyncio.Queue[str], wanted: set[str]) -> set[str]:
    """All kinds of events up to the moment at which there was each of those."""
    seen: set[str] = set()
    async with asyncio.timeout(5):
        while not wanted <= seen:
            seen.add(await heard.get())
    return seen


async def test_timers_and_work_of_the_old_one_are_gone(tmp_path: Path) -> None:
    world = await world_of(tmp_path, clock=CLOCK.replace("MARK", "old"), ears=EARS)
    ears = world.host.plan.features[1].feature
    heard: asyncio.Queue[str] = ears.heard  # type: ignore[attr-defined]
    await heard_until(heard, {"old every", "old work", "old after"})
    await world.changed("clock.py", CLOCK.replace("MARK", "new"))
    await heard_until(heard, {"old stopped", "new after"})
    seen = await heard_until(heard, {"new every", "new work"})
    assert not any(kind.startswith("old") for kind in seen)
    await world.host.close()
    await settled()
    assert not [task for task in asyncio.all_tasks() if "clock" in task.get_name()]


async def test_a_start_with_a_mistake_is_refused_with_all_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FeatureError) as caught:
        await world_of(tmp_path, one="(", two="x = 1")
    text = str(caught.value)
    assert f"{tmp_path}/one.py:1: " in text
    assert f"{tmp_path}/two.py: " in text


# Looking at the folder.


async def test_a_change_is_acted_on_when_it_is_seen_twice(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    old = world.host.plan
    await world.reload.poll()
    assert world.host.plan is old, "nothing has changed"
    world.write("counting.py", counting("half of it")[:50])
    await world.reload.poll()
    world.write("counting.py", counting("BB"))
    await world.reload.poll()
    assert world.host.plan is old, "it is still being written"
    await world.reload.poll()
    assert world.host.plan is not old
    new = world.host.plan
    await world.reload.poll()
    assert world.host.plan is new


async def test_a_change_between_reading_and_looking_is_not_missed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("counting.py", counting("A"))
    await world.reload.start()
    await world.reload.poll()
    await world.reload.poll()
    assert [each.name for each in world.host.plan.features] == ["counting"]


async def test_a_signal_reloads_once_at_a_time(tmp_path: Path) -> None:
    world = await world_of(tmp_path, counting=counting("A"))
    old = world.host.plan.features[0]
    world.write("counting.py", counting("B"))
    for _ in range(3):
        world.reload.reload_soon()
    await asyncio.gather(*world.reload._asked)
    (new,) = world.host.plan.features
    assert new is not old
    await settled()
    assert not world.reload._asked


async def test_a_store_that_cannot_be_read_does_not_end_the_following(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes out of `reload` ends the task that follows the folder, and with it the core."""
    world = await world_of(tmp_path, counting=counting("A"))
    await Road(world.host).enter()

    async def broken(keys: object) -> dict[str, bytes]:
        raise OSError("away")

    monkeypatch.setattr(world.host.store, "get", broken)
    try:
        await world.changed("other.py", counting("B"))
    except OSError:
        pytest.fail("it came out")
    monkeypatch.undo()
    await world.reload.reload()
    assert [each.name for each in world.host.plan.features] == ["counting", "other"]
    assert all(each.counts.calls for each in world.host.plan.features), "each was started"
