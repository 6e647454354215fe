"""Metrics, health and steering of real processes: what a scrape shows, when a relay is ready, who answers probes."""

import asyncio
import contextlib
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.address import Address
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tests.test_upgrade import edges as upgradable
from tidegate.children import Child, ChildError
from tidegate.ops.metric_list import CORE, EDGE, FEATURES, PROCESS

pytestmark = pytest.mark.timeout(120)  # each starts several processes

ANY_PORT = f"{LOOPBACK}:0"
HTTP = ("--http", ANY_PORT, "--log-format", "json")
FEATURE = "from core.features import Feature\n\n\nclass Quiet(Feature):\n    pass\n"


@dataclass
class Process:
    """One process of ours, and what it has logged."""

    child: Child
    events: list[Mapping[str, Any]] = field(default_factory=list)
    address: Address = field(default_factory=lambda: Address(LOOPBACK, 0))

    def told(self, event: str) -> list[Mapping[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    async def http_address(self) -> str:
        await until(lambda: bool(self.told("http_listening")))
        return str(self.told("http_listening")[-1]["address"])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[Process]:
    events: list[Mapping[str, Any]] = []
    made = Process(Child(arguments[0], events.append), events)
    try:
        made.address = await made.child.start(*arguments)
        yield made
    finally:
        await made.child.stop()


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def get(place: str, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(fetch, f"http://{place}{path}")


async def names_of(place: str) -> set[str]:
    """Return the families of ours that a scrape shows, each as the page calls it."""
    status, text = await get(place, "/metrics")
    assert status == 200
    list(text_string_to_metric_families(text))  # all of it can be read
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE tidegate_")}


def listed(*metrics: Any) -> set[str]:
    return {each.name for part in metrics for each in part}


async def test_a_scrape_shows_what_the_page_lists(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(FEATURE)
    game = ("--listen", ANY_PORT, "--game", "echo")
    async with running_origin(echo) as port:
        origin = ("--origin", f"{LOOPBACK}:{port}")
        async with (
            process("core", *game, *origin, *HTTP, "--set", f"features.folder={tmp_path}") as core,
            process("edge", "--listen", ANY_PORT, "--core", str(core.address), *HTTP) as edge,
            process("up", *game, *origin, *HTTP) as both,
        ):
            assert await names_of(await edge.http_address()) == listed(PROCESS, EDGE)
            assert await names_of(await core.http_address()) == listed(PROCESS, CORE, FEATURES)
            assert await names_of(await both.http_address()) == listed(PROCESS, EDGE, CORE)


async def ready(place: str) -> tuple[int, Any]:
    status, text = await get(place, "/readyz")
    return status, json.loads(text)


async def becomes(place: str, status: int) -> Any:
    """Wait until an endpoint's readiness is so; return what it says."""
    async with asyncio.timeout(30):
        while True:
            now, said = await ready(place)
            if now == status:
                return said
            await asyncio.sleep(0.02)


async def test_an_edge_is_ready_while_it_has_a_core() -> None:
    place = f"{LOOPBACK}:{free_port()}"
    async with running_origin(echo) as port:
        core_line = ("core", "--listen", place, "--game", "echo", "--origin", f"{LOOPBACK}:{port}")
        async with contextlib.AsyncExitStack() as stack:
            core = await stack.enter_async_context(process(*core_line))
            edge = await stack.enter_async_context(process("edge", "--listen", ANY_PORT, "--core", place, *HTTP))
            endpoint = await edge.http_address()
            await becomes(endpoint, 200)
            core.child.send_signal(signal.SIGKILL)
            said = await becomes(endpoint, 503)
            assert said == {"ready": False, "edge": {"state": "critical", "problems": ["no core is attached"]}}
            assert (await get(endpoint, "/healthz")) == (200, "ok\n")
            await stack.enter_async_context(process(*core_line))
            await becomes(endpoint, 200)


async def test_a_core_is_critical_without_its_game_server() -> None:
    async with (
        process("core", "--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{free_port()}", *HTTP) as core,
    ):
        said = await becomes(await core.http_address(), 503)  # it has looked by itself
        assert said["core"]["state"] == "critical"
        (problem,) = said["core"]["problems"]
        assert problem.startswith("the game server does not answer")


async def test_http_goes_on_during_a_drain_and_ends_with_the_process() -> None:
    async with (
        running_origin(echo) as port,
        process("core", "--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{port}", *HTTP) as core,
        process("edge", "--listen", ANY_PORT, "--core", str(core.address)) as edge,
    ):
        endpoint = await core.http_address()
        reader, writer = await asyncio.open_connection(edge.address.host, edge.address.port)
        writer.write(b"\x00\x05abc")
        assert await reader.readexactly(5) == b"\x00\x05abc"
        core.child.send_signal(signal.SIGTERM)
        said = await becomes(endpoint, 503)
        assert said["core"]["state"] == "draining"
        writer.close()
        assert await core.child.wait() == 0
        with pytest.raises(OSError, match="refused"):
            await get(endpoint, "/healthz")


async def test_each_worker_answers_at_a_port_of_its_own() -> None:
    first = free_port()
    game = ("--game", "echo", "--origin", f"{LOOPBACK}:{free_port()}")
    http = ("--http", f"{LOOPBACK}:{first}", "--log-format", "json")
    async with process("core", "--listen", ANY_PORT, *game, *http, "--workers", "2") as core:
        await until(lambda: len(core.told("http_listening")) == 2)
        assert {each["worker"] for each in core.told("http_listening")} == {1, 2}
        for port in (first, first + 1):
            status, text = await get(f"{LOOPBACK}:{port}", "/metrics")
            assert status == 200
            assert "tidegate_core_tunnels 0.0" in text


async def test_a_port_in_use_is_said_in_a_sentence() -> None:
    async with running_origin(echo) as port:
        child = Child("core")
        with pytest.raises(ChildError, match=rf"cannot listen on {LOOPBACK}:{port}.*another http.listen"):
            await child.start("core", "--listen", ANY_PORT, "--game", "echo", "--http", f"{LOOPBACK}:{port}")


async def run_probe(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run ``tidegate probe``; return its exit status and its edges."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "probe", *arguments, "--json"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    edges: list[dict[str, Any]] = json.loads(output)
    return process.returncode, edges


async def test_a_launcher_finds_its_edge() -> None:
    async with (
        running_origin(echo) as port,
        process("core", "--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{port}", *HTTP) as core,
        contextlib.AsyncExitStack() as stack,
    ):
        line = ("edge", "--listen", ANY_PORT, "--core", str(core.address))
        running = {}
        for name in ("a", "b", "c"):
            running[name] = await stack.enter_async_context(process(*line, "--name", name, "--region", f"r-{name}"))
        url = f"http://{await core.http_address()}/edges.json"

        async def published(state: str) -> list[dict[str, Any]]:
            async with asyncio.timeout(30):
                while True:
                    _, text = await asyncio.to_thread(fetch, url)
                    edges: list[dict[str, Any]] = json.loads(text)["edges"]
                    if len(edges) == 3 and edges[2]["state"] == state:
                        return edges
                    await asyncio.sleep(0.02)

        edges = await published("serving")
        assert [(each["name"], each["region"]) for each in edges] == [("a", "r-a"), ("b", "r-b"), ("c", "r-c")]
        assert [each["address"] for each in edges] == [str(each.address) for each in running.values()]
        running["c"].child.send_signal(signal.SIGKILL)
        await published("critical")
        status, ranked = await run_probe("--url", url, "--count", "3")
        assert status == 0
        assert [each["answers"] for each in ranked] == [True, True, False]
        assert {each["name"] for each in ranked[:2]} == {"a", "b"}
        assert ranked[2]["problem"] == "Connection refused"
        assert [(each["by"], each["state"], each["loss"]) for each in ranked[:2]] == [("UDP", "serving", 0.0)] * 2
        status, ranked = await run_probe(str(running["c"].address))
        assert status == 1
        assert not ranked[0]["answers"]


async def test_an_upgraded_edge_is_probed_and_scraped_all_the_while() -> None:
    port = free_port()
    async with upgradable("--http", f"{LOOPBACK}:{port}", "--set", f"edge.probe={LOOPBACK}:{free_port()}") as edges:
        (probe,) = edges.told("probe_listening")
        answers = []
        is_enough = asyncio.Event()

        async def keep_asking() -> None:
            while not is_enough.is_set():
                status, ranked = await run_probe(str(probe["address"]), "--count", "2", "--timeout", "0.5")
                answers.append((status, ranked[0]["answers"]))

        asking = asyncio.create_task(keep_asking())
        await until(lambda: bool(answers))
        await edges.upgrade()
        before = len(answers)
        await until(lambda: len(answers) > before + 1)
        is_enough.set()
        await asking
        assert set(answers) == {(0, True)}
        await until(lambda: len(edges.told("http_listening")) == 2)
        assert (await get(f"{LOOPBACK}:{port}", "/readyz"))[0] == 200
