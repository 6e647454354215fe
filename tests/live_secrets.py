"""A full run with certificates, a store with a password and a Consul token: nothing that is written holds a secret.

``python -m tests.live_secrets`` prints where it looked and how much that was; the tests run it with few bots. Looked at
are all log lines at level debug, the metrics, everything in Redis and in Consul, every file, and what commands print.
"""

import argparse
import asyncio
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fleet.address import Address
from games.pko.connection import DeleteCharacter, Login, LoginAccepted
from tests.consul_server import MANAGEMENT_TOKEN, consul_server
from tests.fleet_features import CODEC, next_opcode
from tests.live_fleet import LiveFleet, bots_at
from tests.live_run import LOOPBACK, RelayLog, until
from tests.redis_server import redis_server
from tidegate.sim.server import SimServer

PASSWORD = b"NotForAnyLogOrStore-24-b"
PIN = b"PinNotForAnyLog"
STORE_PASSWORD = "store-NotForAnyLog"
STORE_USER = "tidegate"
TOKEN_FILE = "token"
COMMAND_SECONDS = 30.0


@dataclass
class Secrets:
    """What must not be found, by what it is; and what was looked through, in bytes, by where."""

    secrets: dict[str, bytes] = field(default_factory=dict)
    looked_at: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def add_keys(self, folder: Path) -> None:
        """Add the lines of all private keys."""
        for file in folder.rglob("*key*"):
            for number, line in enumerate(file.read_bytes().splitlines()[1:-1]):
                self.secrets[f"line {number} of the key {file.parent.name}/{file.name}"] = line
        assert any("of the key" in what for what in self.secrets)

    def look(self, where: str, data: bytes) -> None:
        """Look for all secrets, as they are and as hexadecimal digits."""
        kind = where.partition(" ")[0]
        self.looked_at[kind] = self.looked_at.get(kind, 0) + len(data)
        small = data.lower()
        for what, secret in self.secrets.items():
            if secret in data or secret.hex().encode() in small:
                self.found.append(f"{what}, in {where}")

    def look_at_files(self, folder: Path) -> None:
        """Look at all files but the one that the operator has written the token to."""
        for file in folder.rglob("*"):
            if file.is_file() and file.name != TOKEN_FILE:
                self.look(f"file {file.name}", file.read_bytes())


async def run_and_look(bots: int, say: Callable[[str], None] = lambda _: None) -> Secrets:
    """Run two cores and two edges with everything on, have secrets sent through, and look everywhere."""
    secrets = Secrets(
        {
            "a player's password": PASSWORD,
            "a player's pin": PIN,
            "the store's password": STORE_PASSWORD.encode(),
            "the token for Consul": MANAGEMENT_TOKEN.encode(),
        }
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-secrets-")))
        certs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-certs-")))
        (folder / "features").mkdir()
        (folder / "features" / "features.toml").write_text("[bans]\n[presence]\n[moderation]\n[commands]\n")
        redis = stack.enter_context(redis_server(f"user {STORE_USER} on >{STORE_PASSWORD} ~* &* +@all"))
        consul = stack.enter_context(consul_server(has_acls=True))
        server = SimServer(Address(LOOPBACK, 0))
        origin = await server.start()
        stack.push_async_callback(server.stop)
        printed = await _make_certificates(certs)
        secrets.add_keys(certs)
        (folder / TOKEN_FILE).write_text(MANAGEMENT_TOKEN)

        def extra(role: str, name: str) -> tuple[str, ...]:
            return (
                *("--certificates", str(certs / f"{role}-{name}"), "--http", f"{LOOPBACK}:0", "--log-level", "debug"),
                *("--set", f"discovery.consul_token_file={folder / TOKEN_FILE}"),
                *(("--set", f"store.url={_store_url(redis.socket)}") if role == "core" else ()),
                *(("--set", f"core.admin=unix:{folder / name}.sock") if role == "core" else ()),
            )

        fleet = LiveFleet(redis, consul, origin, folder, stack, extra, names_are_certified=True)
        for _ in range(2):
            await fleet.add_core()
        for _ in range(2):
            await fleet.add_edge()
        playing = bots_at(fleet.edges, bots, 1)
        await playing.all_play()
        say(f"{bots} bots play")
        for edge in fleet.edges:
            await _send_secrets(edge.address)
        admin = ("--admin", f"unix:{folder / 'core-1'}.sock")
        for words in (
            ("status", *admin),
            ("sessions", *admin),
            ("ban", "account", "mallory", "--reason", "cheating", *admin),
            ("bans", *admin),
            ("announce", "hello", *admin),
            ("check-config", "--set", f"store.url={_store_url(redis.socket)}"),
            ("check-config", "--set", f"discovery.consul_token={MANAGEMENT_TOKEN}"),
        ):
            secrets.look(f"output of {words[0]}", await _run(*words))
        secrets.look("output of certs", printed)
        for relay in (*fleet.cores, *fleet.edges):
            await until(lambda relay=relay: _listens(relay.log), 10, f"{relay.name} answers over HTTP")  # type: ignore[misc]
            (place,) = [line["address"] for line in relay.log.named("http_listening")]
            secrets.look(f"metrics of {relay.name}", await asyncio.to_thread(_get, f"http://{place}/metrics"))
        secrets.look("Redis", _everything_in(redis.say))
        for path in ("/v1/catalog/services", "/v1/agent/services", "/v1/kv/?recurse", "/v1/agent/checks"):
            secrets.look(f"Consul {path}", str(_ask(consul.ask, path)).encode())
        assert (await playing.stop()).is_clean
        for relay in (*fleet.edges, *fleet.cores):
            await relay.child.stop()
            lines = "\n".join(map(str, relay.log.lines)) + relay.child.last_words
            secrets.look(f"log of {relay.name}", lines.encode())
        secrets.look_at_files(folder)
    return secrets


def _store_url(socket: Path) -> str:
    return f"unix://{STORE_USER}:{STORE_PASSWORD}@{socket}"


async def _make_certificates(folder: Path) -> bytes:
    """Make what two cores and two edges need, as an operator would; returns what the commands printed."""
    printed = await _run("certs", "init", "--folder", str(folder))
    for number in (1, 2):
        printed += await _run("certs", "issue", "core", f"core-{number}", "--folder", str(folder))
        edge = ("edge", f"edge-{number}", "--region", f"region-{number}")
        printed += await _run("certs", "issue", *edge, "--folder", str(folder))
    return printed + await _run("certs", "list", "--folder", str(folder))


async def _run(*words: str) -> bytes:
    """Run a command of ours, and return all that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(COMMAND_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, (words, output)
    return output


async def _send_secrets(edge: Address) -> None:
    """Log in with a password, and delete a character with a pin."""
    reader, writer = await asyncio.open_connection(edge.host, edge.port)
    try:
        async with asyncio.timeout(10):
            await next_opcode(reader)
            login = Login(account=b"carol", password=PASSWORD, mac=b"00-11-22-33-44-55", version=136)
            writer.write(CODEC.seal(login))
            while await next_opcode(reader) != LoginAccepted.OPCODE:
                pass
            writer.write(CODEC.seal(DeleteCharacter(name=b"carol", pin=PIN)))
            while await next_opcode(reader) != DeleteCharacter.OPCODE + 500:
                pass
    finally:
        writer.close()


async def _listens(log: RelayLog) -> bool:
    return log.count("http_listening") > 0


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def _ask(ask: Callable[[str, str], object], path: str) -> object:
    try:
        return ask("GET", path)
    except OSError as error:  # such as: no keys at all
        return error


def _everything_in(say: Callable[..., bytes]) -> bytes:
    """Return all keys of a Redis and what they hold."""
    keys = [part for part in say("KEYS", "*").split(b"\r\n") if part[:1] not in (b"*", b"$", b"")]
    assert keys
    everything = b"\n".join(keys)
    for key in keys:
        for read in (("GET", key), ("HGETALL", key), ("ZRANGE", key, "0", "-1")):
            everything += say(*read)
    return everything


def main(arguments: list[str]) -> int:
    """Run it and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.live_secrets", description=__doc__)
    parser.add_argument("--bots", type=int, default=100)
    options = parser.parse_args(arguments)
    secrets = asyncio.run(run_and_look(options.bots, lambda text: print(text, flush=True)))
    for where, size in secrets.looked_at.items():
        print(f"{size:10} bytes  {where}")
    print(f"{len(secrets.secrets)} secrets looked for, found: {secrets.found or 'none'}")
    return 1 if secrets.found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
