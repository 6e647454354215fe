"""The commands of the command line: each reads its flags and calls what does the work.

`tidegate.cli` runs ``app``. A command's own imports stand inside its function: this package is loaded for
``--help``, which must load neither gRPC nor pydantic.
"""

from typing import Annotated

import typer

from tidegate.commands import admin, certs, check_config, demo, feature, gameday, plan, policy, probe, relay, sim, why

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help keeps the examples' line breaks and does not load rich
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes it so
    if wanted:
        from tidegate.version import describe_version

        print(describe_version())
        raise typer.Exit


@app.callback()
def tidegate(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Relays for TCP games: edges near the players, a core before the game server.

    \b
    Examples:
      tidegate demo
          a whole relay with fifty bots, for fifteen seconds
      tidegate up --game pko --listen 127.0.0.1:1973 --origin 127.0.0.1:1974
          edge and core in one process, in front of a game server
      tidegate core --listen 127.0.0.1:7400 --game pko --origin 10.0.0.5:1973
      tidegate edge --listen 0.0.0.0:1973 --core 127.0.0.1:7400
          the same as two processes
      tidegate certs init
          an authority of your own, for relays on several machines
      tidegate check-config -c tidegate.toml
          what is set and where it came from, or every mistake
      tidegate policy show
          which packets pass, how often, and what happens to the others
      tidegate feature new treasure
          a feature of your own, with its test
      tidegate status
          every core and edge of a running fleet, and how they are
      tidegate why 1f0c22 --log edge.log
          what was refused of a session, and why
      tidegate probe fra-1.example.com:1973 sin-1.example.com:1973
          how far edges are from here, and which to use
      tidegate plan --players 3000 --regions eu-central-1,us-east-1
          how many machines that is, for Terraform
    """


app.command("up")(relay.up)
app.add_typer(relay.edge_app, name="edge")
app.add_typer(relay.core_app, name="core")
app.command("worker", hidden=True)(relay.worker)
app.command("demo")(demo.demo)
app.command("check-config")(check_config.check_config)
app.command("why")(why.why)
app.add_typer(certs.app, name="certs")
app.command("probe")(probe.probe)
admin.add_to(app)
app.command("plan")(plan.plan)
app.add_typer(policy.app, name="policy")
app.add_typer(feature.app, name="feature")
app.add_typer(sim.app, name="sim")
app.add_typer(gameday.app, name="gameday")
