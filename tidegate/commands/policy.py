"""The commands ``policy show`` and ``policy check``: what edges obey, and whether a rules file is right."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.commands.options import Assignments, Config, Dialect, Game, load

if TYPE_CHECKING:
    from tidegate.settings import Settings
    from wire.rules import PacketRule, RuleSet

app = typer.Typer(
    no_args_is_help=True,
    help="What edges obey.",
)


class Format(StrEnum):
    """How a policy is printed."""

    TABLE = "table"
    JSON = "json"


@app.command()
def show(
    packets: Annotated[
        list[str] | None, typer.Argument(metavar="PACKET", help="Opcodes or names: these, in full.")
    ] = None,
    config: Config = None,
    game: Game = None,
    dialect: Dialect = None,
    rules: Annotated[
        str | None, typer.Option("--rules", metavar="FILE", help="Rules file; else the one in the settings.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="A table, or one JSON object.")] = Format.TABLE,
    assignments: Assignments = None,
) -> None:
    """Show the policy in effect.

    Each packet with where it is legal, its sizes, rate, mode and action; then
    limits, checks, and what the game server's packets change. Packets that are
    named are shown with their layouts.

    \b
    Examples:
      tidegate policy show
      tidegate policy show -c tidegate.toml SAY 'BEGINACTION MOVE' 6402
      tidegate policy show --game pko --rules rules.toml --format json
    """
    settings = _load(config, game, dialect, rules, assignments)
    from tidegate.rule_overrides_apply import compile_game, override_policy

    policy = override_policy(compile_game(settings), settings.game.rules_file)
    chosen = _choose(policy.rules, packets) if packets else None
    if output is Format.JSON:
        import json

        from tidegate.policy_view import view_packet, view_policy

        some = None if chosen is None or policy.rules is None else [view_packet(policy.rules, each) for each in chosen]
        print(json.dumps(view_policy(policy) if some is None else {"packets": some}, indent=2))
        return
    from tidegate.policy_table import print_packets, print_policy

    if chosen is None or policy.rules is None:
        print_policy(policy)
    else:
        print_packets(policy.rules, chosen)


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Rules file (TOML).")],
    config: Config = None,
    game: Game = None,
    dialect: Dialect = None,
    assignments: Assignments = None,
) -> None:
    """Check a rules file, and say what it changes.

    Exit status 0 if everything is right, 2 if not; then all mistakes are told.

    \b
    Examples:
      tidegate policy check rules.toml
      tidegate policy check rules.toml --game pko --dialect counter
    """
    settings = _load(config, game, dialect, file, assignments)
    from tidegate.rule_overrides_apply import compile_game, describe_changes, override_policy

    before = compile_game(settings)
    changes = describe_changes(before, override_policy(before, file))
    game_name = f"{before.game} ({before.dialect})" if before.dialect else before.game
    print(f"{file}: right; changes {changes} of {game_name}")


def _load(
    config: Path | None, game: str | None, dialect: str | None, rules: str | None, assignments: list[str] | None
) -> "Settings":
    return load(
        config,
        assignments,
        {
            "game.name": ("--game", game),
            "game.dialect": ("--dialect", dialect),
            "game.rules_file": ("--rules", rules),
        },
    )


def _choose(rules: "RuleSet | None", wanted: list[str]) -> "list[PacketRule]":
    """Return the rules of these opcodes and names; raises StartError for one there is not."""
    from tidegate.errors import StartError
    from tidegate.rule_overrides import suggest
    from tidegate.rule_overrides_draft import plain_name

    if rules is None:
        raise StartError("the game has no rules, so no packets to show")
    chosen = []
    for each in wanted:
        found = [rule for rule in rules.rules if each == str(rule.opcode) or plain_name(rule.name) == plain_name(each)]
        if not found:
            hint = suggest(plain_name(each), {plain_name(rule.name): rule.name for rule in rules.rules})
            raise StartError(f"no rule for the packet {each!r}; {hint or 'it is refused'}")
        chosen += found
    return chosen
