"""The command line: what each command reads, what it calls, and what a failure looks like."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from fleet.address import Address
from tidegate import cli
from tidegate.commands import app
from tidegate.errors import StartError
from tidegate.gameday.day import DayOptions
from tidegate.settings import Settings

COMMANDS = [
    *([], ["up"], ["edge"], ["core"], ["demo"], ["check-config"], ["why"], ["probe"], ["plan"]),
    *(["core", "drain"], ["edge", "drain"], ["edge", "upgrade"]),
    *(["status"], ["sessions"], ["kick"], ["ban"], ["unban"], ["bans"], ["announce"], ["drain"]),
    *(["policy"], ["policy", "show"], ["policy", "check"]),
    *(["sim"], ["sim", "server"], ["sim", "bots"]),
    *(["gameday"], ["gameday", "cut-tunnel"], ["gameday", "hang-core"], ["gameday", "kill-core"]),
    *(["gameday", "slow-client"], ["gameday", "kill-edge"], ["gameday", "drain-core"], ["gameday", "upgrade-edge"]),
    *(["gameday", "far-core"], ["gameday", "soak"], ["gameday", "origin"]),
    *(["certs"], ["certs", "init"], ["certs", "issue"], ["certs", "issue", "edge"], ["certs", "issue", "core"]),
    *(["certs", "issue", "admin"], ["certs", "renew"], ["certs", "revoke"], ["certs", "list"], ["certs", "show"]),
    *(["certs", "authority"], ["certs", "authority", "new"], ["certs", "authority", "switch"]),
    *(["certs", "authority", "retire"], ["certs", "authority", "show"]),
    *(["feature"], ["feature", "new"], ["feature", "list"], ["feature", "check"]),
]

Stub = Callable[..., dict[str, object]]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Replace a function of a module that a command imports late; returns what it is called with."""

    def replace(module_name: str, function: str, outcome: int | BaseException = 0) -> dict[str, object]:
        called: dict[str, object] = {}

        def stand_in(*positional: object, **named: object) -> int:
            called.update(named, positional=positional)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        module = ModuleType(module_name)
        setattr(module, function, stand_in)
        monkeypatch.setitem(sys.modules, module_name, module)
        monkeypatch.setattr("tidegate.logs.configure_logs", lambda *_, **__: None)
        return called

    return replace


def run(*arguments: str) -> int:
    """Run the command in this process and return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tidegate", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)


def settings_of(called: dict[str, object]) -> Settings:
    positional = called["positional"]
    assert isinstance(positional, tuple)
    assert isinstance(positional[0], Settings)
    return positional[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_readable_at_80_columns(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="tidegate", terminal_width=80)

    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "..." not in result.output.partition("Commands:")[2], "a summary is cut"
    if command not in (
        ["sim"],
        ["policy"],
        ["feature"],
        ["gameday"],
        ["certs"],
        ["certs", "issue"],
        ["certs", "authority"],
    ):
        assert "Examples:\n    tidegate" in result.output


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_nothing_slow(flag: str) -> None:
    show = (
        f"import sys; sys.argv[1:] = [{flag!r}]\n"
        "from tidegate.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )

    loaded = run_process("-c", show).stderr.split()

    assert "tidegate.cli" in loaded
    assert {
        "grpc",
        "pydantic",
        "redis",
        "structlog",
        "uvloop",
        "rich",
        "consul",
        "aiohttp",
        "cryptography",
        "ssl",
        "starlette",
        "uvicorn",
        "prometheus_client",
    }.isdisjoint(loaded)


def test_version_as_a_process() -> None:
    finished = run_process("-m", "tidegate", "--version")

    assert finished.returncode == 0
    assert finished.stdout.startswith("tidegate 0.")
    assert finished.stderr == ""


def test_version_among_other_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version", "up") == 0
    assert capsys.readouterr().out.startswith("tidegate 0.")


def test_up_sets_players_and_game_server(stub: Stub) -> None:
    called = stub("tidegate.serve", "serve_up")

    assert run("up", "--game", "raw", "--listen", "127.0.0.1:0", "--origin", "h:6379", "--log-level", "error") == 0

    settings = settings_of(called)
    assert settings.game.name == "raw"
    assert settings.edge.listen == Address("127.0.0.1", 0)
    assert settings.core.origin == Address("h", 6379)
    assert settings.log.level == "error"
    assert settings.origins["edge.listen"] == "flag --listen"


def test_edge_sets_its_own(stub: Stub) -> None:
    called = stub("tidegate.serve", "serve_edge")

    assert (
        run("edge", "--listen", "[::]:1", "--core", "c:2", "--name", "n", "--region", "r", "--log-format", "text") == 0
    )

    edge = settings_of(called).edge
    assert (edge.listen, edge.core, edge.name, edge.region) == (Address("::", 1), (Address("c", 2),), "n", "r")


def test_core_sets_its_own(stub: Stub) -> None:
    called = stub("tidegate.serve", "serve_core")

    assert (
        run("core", "--listen", "[::]:1", "--origin", "o:2", "--name", "n", "--region", "r", "--dialect", "counter")
        == 0
    )

    settings = settings_of(called)
    core = settings.core
    assert (core.listen, core.origin, core.name, core.region) == (Address("::", 1), Address("o", 2), "n", "r")
    assert settings.game.dialect == "counter"


def test_file_environment_set_and_option_in_this_order(
    stub: Stub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = stub("tidegate.serve", "serve_up")
    file = tmp_path / "t.toml"
    file.write_text("[edge]\nbacklog = 1\nmax_sessions = 1\nlisten = 'h:1'\nregion = 'file'\n")
    monkeypatch.setenv("TIDEGATE_EDGE_MAX_SESSIONS", "2")
    monkeypatch.setenv("TIDEGATE_EDGE_LISTEN", "h:2")

    assert run("up", "-c", str(file), "--set", "edge.listen=h:3", "--set", "edge.region = set", "--listen", "h:4") == 0

    edge = settings_of(called).edge
    assert (edge.backlog, edge.max_sessions, edge.listen, edge.region) == (1, 2, Address("h", 4), "set")


def test_the_commands_status_is_the_process(stub: Stub) -> None:
    stub("tidegate.demo", "run_demo", 7)

    assert run("demo") == 7


def test_demo_passes_what_it_is_given(stub: Stub) -> None:
    called = stub("tidegate.demo", "run_demo")

    run("demo", "--seconds", "2.5", "--bots", "5", "--edges", "3")

    assert called == {"positional": (), "seconds": 2.5, "bots": 5, "edges": 3}


def test_sim_server_passes_what_it_is_given(stub: Stub) -> None:
    called = stub("tidegate.sim.server", "run_server")

    run("sim", "server", "--listen", "[::1]:0", "--dialect", "counter", "--json")

    assert called == {"positional": (), "listen": Address("::1", 0), "dialect": "counter", "json": True}


def test_sim_bots_have_defaults(stub: Stub) -> None:
    called = stub("tidegate.sim.bots", "run_bots")

    run("sim", "bots")

    assert called == {
        "positional": (),
        "connect": Address("127.0.0.1", 1973),
        "bots": 10,
        "seconds": 15.0,
        "moves_per_second": 2.0,
        "chat_seconds": 3.0,
        "dialect": "",
        "json": False,
    }


@pytest.mark.parametrize(
    ("arguments", "module", "fault", "expected"),
    [
        (
            ["cut-tunnel", "--times", "3", "--kind", "clean", "--longest", "2"],
            "cut_tunnel",
            "CutTunnel",
            {"times": 3, "shortest_seconds": 0.05, "longest_seconds": 2.0, "kinds": ("clean",), "edges": 1},
        ),
        (["hang-core", "--seconds", "2"], "hang_core", "HangCore", {"seconds": 2.0}),
        (["kill-core"], "kill_core", "KillCore", {}),
        (["slow-client", "--slow", "7"], "slow_client", "SlowClient", {"slow": 7, "seconds": 20.0}),
        (["kill-edge"], "kill_edge", "KillEdge", {}),
        (["drain-core", "--drain-seconds", "4"], "drain_core", "DrainCore", {"drain_seconds": 4.0}),
        (["upgrade-edge", "--times", "2"], "upgrade_edge", "UpgradeEdge", {"times": 2, "workers": 1}),
        (["upgrade-edge", "--workers", "3"], "upgrade_edge", "UpgradeEdge", {"times": 20, "workers": 3}),
        (
            ["far-core", "--delay-ms", "50", "--jitter-ms", "5"],
            "far_core",
            "FarCore",
            {"delay_seconds": 0.05, "jitter_seconds": 0.005, "seconds": 20.0},
        ),
        (["soak", "--minutes", "2"], "soak", "Soak", {"minutes": 2.0}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_gameday_passes_what_it_is_given(
    stub: Stub, arguments: list[str], module: str, fault: str, expected: dict[str, object]
) -> None:
    called = stub("tidegate.gameday.run", "run_gameday", 1)
    made = stub(f"tidegate.gameday.faults.{module}", fault, 5)

    assert run("gameday", *arguments, "--bots", "30", "--seed", "9", "--json") == 1

    assert made == {"positional": (), **expected}
    options = DayOptions(bots=30, frames_per_second=10.0, seed=9, json=True)
    assert called == {"positional": (5, options)}


@pytest.mark.parametrize(
    "arguments",
    [["cut-tunnel", "--longest", "0.01"], ["far-core", "--jitter-ms", "100"], ["cut-tunnel", "--kind", "none"], []],
)
def test_wrong_use_of_gameday_is_status_2(arguments: list[str]) -> None:
    assert run("gameday", *arguments) == 2


def test_check_config_prints_what_loads_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("check-config", "--set", "edge.region=eu") == 0
    text = capsys.readouterr().out
    line = next(line for line in text.splitlines() if line.startswith("region"))
    assert line.split() == ["region", "=", '"eu"', "#", "flag", "--set"]

    (tmp_path / "t.toml").write_text(text)
    assert run("check-config", "--config", str(tmp_path / "t.toml")) == 0


@pytest.mark.parametrize("setting", ["core.listen=0.0.0.0:7400", "edge.core=10.0.0.5:7400"])
def test_settings_with_which_no_relay_would_start_are_told(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check-config", "--set", setting) == 2
    assert "without certificates" in capsys.readouterr().err
    assert run("check-config", "--set", setting, "--set", "tls.insecure=true") == 0


def test_mistakes_are_text_and_status_2(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text("[edge]\nlisten = 5\n[game]\nname = 'pok'\nname_ = 1\n")

    finished = run_process("-m", "tidegate", "up", "-c", str(file))

    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("tidegate: 3 mistakes in the settings:\n")
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("arguments", [["sim", "server", "--listen", "5"], ["sim", "bots", "--connect", "x"]])
def test_a_wrong_address_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert f"{arguments[2]}: '{arguments[3]}' has no port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["nosuch"], ["up", "--nosuch"], ["up", "--set", "x"], ["demo", "--bots", "0"], ["demo", "--edges", "x"], []],
)
def test_wrong_use_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments) == 2


def test_a_reason_not_to_start_is_text_and_status_2(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    stub("tidegate.serve", "serve_up", StartError("127.0.0.1:1973 is in use"))

    assert run("up") == 2
    assert capsys.readouterr().err == "tidegate: 127.0.0.1:1973 is in use\n"


def test_ctrl_c_is_status_130_without_a_traceback(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    stub("tidegate.demo", "run_demo", KeyboardInterrupt())

    assert run("demo") == 130
    assert "Traceback" not in capsys.readouterr().err
