"""The command ``gameday``: breaks a relay network on this machine, a fault per sub-command, and judges it."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.commands.gameday_options import BOTS, RATE, SEED, Bots, Edges, Json, Rate, Seed, day_options, play

app = typer.Typer(
    no_args_is_help=True,
    help="Break a relay network while bots play.",
    epilog="Each fault says at the end what had to hold; exit status 0 only if all of it does.",
)


class Kinds(StrEnum):
    """What ``--kind`` takes."""

    CLEAN = "clean"
    HALF_OPEN = "half-open"
    BOTH = "both"


@app.command()
def cut_tunnel(
    *,
    times: Annotated[int, typer.Option(metavar="COUNT", min=1, max=10_000, help="How many cuts.")] = 100,
    shortest: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, max=600, help="The shortest cut.")] = 0.05,
    longest: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, max=600, help="The longest cut.")] = 10.0,
    kind: Annotated[
        Kinds, typer.Option(help="Reset connections (clean), keep them open and silent, or now this now that.")
    ] = Kinds.BOTH,
    edges: Edges = 1,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Cut the tunnel again and again.

    No session may end, nothing may be lost, doubled or reordered, and for 99 %
    of the bots no cut may last 1.5 s longer than it was.

    \b
    Examples:
      tidegate gameday cut-tunnel
      tidegate gameday cut-tunnel --times 5 --longest 2 --kind clean --bots 50
    """
    if longest < shortest:
        raise typer.BadParameter("the longest cut is shorter than the shortest", param_hint="--longest")
    from tidegate.gameday.conditions import CutKind
    from tidegate.gameday.faults.cut_tunnel import CutTunnel

    kinds = tuple(CutKind) if kind is Kinds.BOTH else (CutKind(kind.value),)
    fault = CutTunnel(times=times, shortest_seconds=shortest, longest_seconds=longest, kinds=kinds, edges=edges)
    play(fault, day_options(bots, frames_per_second, seed, json=json))


@app.command()
def hang_core(
    *,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=0.5, max=600, help="How long it hangs.")] = 5.0,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Hang the core that carries the sessions.

    Another stands by: new logins must work within 3 s, and the core must stay
    silent for the sessions it lost when it wakes up.

    \b
    Examples:
      tidegate gameday hang-core
      tidegate gameday hang-core --seconds 10 --bots 200
    """
    from tidegate.gameday.faults.hang_core import HangCore

    play(HangCore(seconds=seconds), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def kill_core(*, bots: Bots = BOTS, frames_per_second: Rate = RATE, seed: Seed = SEED, json: Json = False) -> None:
    """Kill the core that carries the sessions.

    Another stands by: players must be told, and be back in play within 3 s.

    \b
    Examples:
      tidegate gameday kill-core --bots 200
    """
    from tidegate.gameday.faults.kill_core import KillCore

    play(KillCore(), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def slow_client(
    *,
    slow: Annotated[int, typer.Option(metavar="COUNT", min=1, max=5000, help="How many, at most half.")] = 1000,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=600, help="How long each phase is.")] = 20.0,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Let half of the bots stop reading.

    Each may cost the relays 300 KiB, and the others' p99 a tenth at most.

    \b
    Examples:
      tidegate gameday slow-client
      tidegate gameday slow-client --bots 2000 --slow 1000 --frames-per-second 5
    """
    from tidegate.gameday.faults.slow_client import SlowClient

    play(SlowClient(slow=slow, seconds=seconds), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def kill_edge(*, bots: Bots = BOTS, frames_per_second: Rate = RATE, seed: Seed = SEED, json: Json = False) -> None:
    """Kill one of two edges.

    Only its players may be hit, and must be back in play within 3 s.

    \b
    Examples:
      tidegate gameday kill-edge --bots 200
    """
    from tidegate.gameday.faults.kill_edge import KillEdge

    play(KillEdge(), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def drain_core(
    *,
    drain_seconds: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=600, help="Until its deadline.")] = 10.0,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Drain the core that carries the sessions.

    Another stands by: no login may fail, old sessions go on for a while, and
    every player is told.

    \b
    Examples:
      tidegate gameday drain-core --drain-seconds 20
    """
    from tidegate.gameday.faults.drain_core import DrainCore

    play(DrainCore(drain_seconds=drain_seconds), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def upgrade_edge(
    *,
    times: Annotated[int, typer.Option(metavar="COUNT", min=1, max=1000, help="How many upgrades.")] = 20,
    workers: Annotated[int, typer.Option(metavar="COUNT", min=1, max=8, help="Workers of the edge.")] = 1,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Upgrade the edge again and again.

    No session may end, no login fail, and no frame be lost.

    \b
    Examples:
      tidegate gameday upgrade-edge --times 5 --bots 200
      tidegate gameday upgrade-edge --times 5 --workers 2
    """
    from tidegate.gameday.faults.upgrade_edge import UpgradeEdge

    play(UpgradeEdge(times=times, workers=workers), day_options(bots, frames_per_second, seed, json=json))


@app.command()
def far_core(
    *,
    delay_ms: Annotated[float, typer.Option(metavar="MILLISECONDS", min=0, max=5000, help="Each way.")] = 80.0,
    jitter_ms: Annotated[float, typer.Option(metavar="MILLISECONDS", min=0, max=5000, help="More or less.")] = 20.0,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=600, help="How long each phase is.")] = 20.0,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Put the core far away.

    95 % of the frames must come through that do without delay.

    \b
    Examples:
      tidegate gameday far-core
      tidegate gameday far-core --delay-ms 150 --jitter-ms 50
    """
    if jitter_ms > delay_ms:
        raise typer.BadParameter("is more than the delay", param_hint="--jitter-ms")
    from tidegate.gameday.faults.far_core import FarCore

    fault = FarCore(delay_seconds=delay_ms / 1e3, jitter_seconds=jitter_ms / 1e3, seconds=seconds)
    play(fault, day_options(bots, frames_per_second, seed, json=json))


@app.command()
def soak(
    *,
    minutes: Annotated[float, typer.Option(metavar="MINUTES", min=1, max=10_000, help="How long.")] = 30.0,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Break something each minute for half an hour.

    One bot in twenty leaves and joins each minute. No relay may grow.

    \b
    Examples:
      tidegate gameday soak --minutes 30
    """
    from tidegate.gameday.faults.soak import Soak

    play(Soak(minutes=minutes), day_options(bots, frames_per_second, seed, json=json))


@app.command(hidden=True)
def origin(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Where; 0 takes any free one.")] = 0,
) -> None:
    """Run gameday's game server; gameday starts it itself.

    \b
    Examples:
      tidegate gameday origin --port 1974
    """
    from tidegate.gameday.origin import run_origin

    raise typer.Exit(run_origin(port=port))
