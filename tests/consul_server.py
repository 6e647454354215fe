"""A real Consul agent of one's own, on free loopback ports, with all that may befall it.

It is a server of one node that keeps everything in memory, so that a restart is a restart with nothing in it. Ready is
when it has a leader and takes services; that is asked of it, not waited for by the clock.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FETCH = Path(__file__).parents[1] / "scripts" / "fetch_consul.sh"
LOOPBACK = "127.0.0.1"
READY_SECONDS = 15.0
FETCH_SECONDS = 120
PORT_ATTEMPTS = 5
MANAGEMENT_TOKEN = "11111111-2222-3333-4444-555555555555"
"""With ``has_acls``, who knows it may do everything, and who does not may do nothing."""


class ConsulServer:
    """One agent in ``folder``. ``has_acls`` denies everything to those without a token; ``tls`` has file names."""

    def __init__(self, folder: Path, *, has_acls: bool = False, tls: Mapping[str, object] | None = None) -> None:
        self._folder = folder
        self._has_acls = has_acls
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        self.port = 0

    @property
    def address(self) -> str:
        """Where its API answers."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, empty, on the ports of before if it had any; returns when it is ready."""
        program = consul_program()
        is_new = not self._ports
        for _ in range(PORT_ATTEMPTS):
            if is_new:
                self._take_ports()
            if self._start(program):
                return
            self.stop()
        raise AssertionError(f"consul does not start: {(self._folder / 'log').read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Kill it; what it holds is gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it so that it is connected and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make one request as somebody with all rights, and return what the answer says; None where it says nothing."""
        assert not self._tls, "ask it without TLS"
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Consul-Token": MANAGEMENT_TOKEN} if self._has_acls else {}
        request = urllib.request.Request(f"http://{self.address}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def services(self) -> dict[str, Any]:
        """The services of this agent by their ids."""
        services: dict[str, Any] = self.ask("GET", "/v1/agent/services")
        return services

    def _take_ports(self) -> None:
        names = ("http", "server", "serf_lan", "serf_wan")
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.port = self._ports["http"]

    def _start(self, program: str) -> bool:
        ports: dict[str, int] = {**self._ports, "dns": -1, "grpc": -1}
        settings: dict[str, object] = {
            "server": True,
            "bootstrap": True,
            "node_name": "test",
            "bind_addr": LOOPBACK,
            "client_addr": LOOPBACK,
            "ports": ports,
            "disable_update_check": True,
            "log_level": "info" if self._tls else "warn",
            "leave_on_terminate": False,
            "performance": {"raft_multiplier": 1},
        }
        if self._has_acls:
            tokens = {"master": MANAGEMENT_TOKEN, "agent": MANAGEMENT_TOKEN}
            settings["acl"] = {"enabled": True, "default_policy": "deny", "tokens": tokens}
        if self._tls:
            settings["ports"] = {**ports, "http": -1, "https": ports["http"]}
            settings |= self._tls
        configuration = self._folder / "consul.json"
        configuration.write_text(json.dumps(settings))
        with (self._folder / "log").open("wb") as log:
            command = [program, "agent", "-dev", f"-config-file={configuration}"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self._wait_ready()

    def _wait_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            with contextlib.suppress(OSError, ValueError, AssertionError):
                if self._is_ready():
                    return True
            time.sleep(0.02)
        return False

    def _is_ready(self) -> bool:
        if self._tls:  # who has no certificate cannot ask; that it listens has to do
            with socket.create_connection((LOOPBACK, self.port), timeout=1):
                return "New leader elected" in (self._folder / "log").read_text(errors="replace")
        return bool(self.ask("GET", "/v1/status/leader")) and bool(self.ask("GET", "/v1/catalog/nodes"))


@contextlib.contextmanager
def consul_server(*, has_acls: bool = False, tls: Mapping[str, object] | None = None) -> Iterator[ConsulServer]:
    """A running agent in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="tidegate-consul-") as folder:
        server = ConsulServer(Path(folder), has_acls=has_acls, tls=tls)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def consul_program() -> str:
    """Where the agent is; it is fetched where there is none."""
    found = subprocess.run([FETCH], stdout=subprocess.PIPE, text=True, timeout=FETCH_SECONDS, check=False)
    program = found.stdout.strip()
    assert program, "consul is missing: 'make programs' says how to get it"
    return program


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all taken at once so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
