"""The commands as real processes: ready line, signals, ledgers, exit status."""

import asyncio
import json
import re
import signal
import sys

import pytest


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tidegate",
        "sim",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def start_server(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await start("server", "--listen", "127.0.0.1:0", *arguments)
    assert process.stderr is not None
    line = (await process.stderr.readline()).decode()
    found = re.fullmatch(r"tidegate sim server: ready at (\S+), game pko \(classic\)\n", line)
    assert found, line
    return process, found[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_with_its_ledger(number: signal.Signals) -> None:
    process, _ = await start_server()
    process.send_signal(number)
    out, err = await process.communicate()
    assert process.returncode == 0
    assert err == b""
    assert re.search(r"^  ledger +received +lost +doubled +reordered$", out.decode(), re.MULTILINE)


async def test_bots_and_server_agree_on_what_was_sent() -> None:
    process, address = await start_server("--json")
    bots = await start("bots", "--connect", address, "--bots", "10", "--seconds", "1", "--chat-seconds", "1", "--json")
    out, err = await bots.communicate()
    assert bots.returncode == 0, err.decode()
    summary = json.loads(out)
    process.terminate()
    report = json.loads((await process.communicate())[0])
    assert summary["clean"]
    assert summary["outcomes"] == {"ok": 10}
    assert summary["ledger"]["sent"] == report["ledger"]["received"] > 0
    assert report["logins"] == 10


async def test_a_signal_lets_the_bots_log_out() -> None:
    process, address = await start_server("--json")
    bots = await start("bots", "--connect", address, "--bots", "5", "--seconds", "1000", "--json")
    assert bots.stderr is not None
    assert await bots.stderr.readline() == f"tidegate sim bots: 5 bots to {address}, 1000 s each\n".encode()
    bots.terminate()
    summary = json.loads((await bots.communicate())[0])
    process.terminate()
    await process.communicate()
    assert bots.returncode == 0
    assert summary["outcomes"] in ({}, {"ok": summary["bots"]})


async def test_bots_without_a_server_fail() -> None:
    process, address = await start_server()
    process.terminate()
    await process.communicate()
    bots = await start("bots", "--connect", address, "--bots", "2", "--seconds", "1")
    out, _ = await bots.communicate()
    assert bots.returncode == 1
    assert b"cannot connect" in out


async def test_a_port_in_use_is_said_without_a_traceback() -> None:
    process, address = await start_server()
    second = await start("server", "--listen", address)
    _, err = await second.communicate()
    process.terminate()
    await process.communicate()
    assert second.returncode == 2
    assert f"cannot listen on {address}" in err.decode()
    assert b"Traceback" not in err


@pytest.mark.parametrize("program", ["server", "bots"])
@pytest.mark.parametrize("dialect", ["nonsense", "tg"])
async def test_a_dialect_that_is_not_scripted_is_said_without_a_traceback(program: str, dialect: str) -> None:
    process = await start(program, "--dialect", dialect)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert dialect in err.decode()
    assert b"classic, counter, counter+trailer" in err
    assert b"Traceback" not in err
