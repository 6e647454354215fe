"""The commands ``feature new``, ``feature list`` and ``feature check``: what operators write features with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.commands.options import Config, Dialect, Game, load

if TYPE_CHECKING:
    from core.features.folder import FeatureFolder

app = typer.Typer(
    no_args_is_help=True,
    help="What you add to the game.",
)

EXIT_MISTAKES = 1

DEFAULT_FOLDER = "features"

Folder = Annotated[
    str | None,
    typer.Option(
        "--folder", metavar="FOLDER", help='Where features are; else features.folder in the settings, or "features".'
    ),
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _.")],
    folder: Folder = None,
    config: Config = None,
    game: Game = None,
) -> None:
    """Write a new feature and its test.

    The feature answers a word that players say, keeps a count of it, and has a
    command and two settings: change it into what you want. The test passes as
    it is. Nothing is overwritten.

    \b
    Examples:
      tidegate feature new treasure
      tidegate feature new treasure --folder /etc/tidegate/features
    """
    path, game_name, _ = _place(folder, config, game, None)
    from tidegate.feature_template import draft_feature, write_feature

    drafted = draft_feature(name, path, game_name)
    write_feature(drafted)
    print(f"{drafted.file}\n{drafted.test_file}")
    print(f"Run its test with: python -m pytest {drafted.test_file}")
    print(f"A core with features.folder={path} runs it; one that is up loads it within a second or two.")


@app.command("list")
def list_features(
    folder: Folder = None,
    config: Config = None,
    game: Game = None,
) -> None:
    """List features: yours and those that come with the core.

    Those that are on stand first, in the order in which they get what players
    send, with the line of features.toml where their settings begin.

    \b
    Examples:
      tidegate feature list
      tidegate feature list --folder examples/features
    """
    path, game_name, _ = _place(folder, config, game, None)
    from core.features.errors import FeatureError
    from tidegate.errors import StartError
    from tidegate.feature_table import describe_features

    try:
        print(describe_features(_folder(path, game_name, "")))
    except FeatureError as error:
        raise StartError(str(error)) from error


@app.command()
def check(
    folder: Folder = None,
    config: Config = None,
    game: Game = None,
    dialect: Dialect = None,
) -> None:
    """Load all features as a core would, and print what is wrong.

    Each mistake is a line: FILE:LINE, what is wrong, and what would be right.
    Exit status 0 if everything is right, 1 if not. Features' files are
    executed, as the core does; nothing else of them is called.

    \b
    Examples:
      tidegate feature check
      tidegate feature check --folder examples/features --dialect counter
    """
    path, game_name, dialect_name = _place(folder, config, game, dialect)
    import asyncio

    loading = asyncio.run(_folder(path, game_name, dialect_name).load())
    for mistake in loading.mistakes:
        print(mistake)
    if loading.mistakes:
        raise typer.Exit(EXIT_MISTAKES)
    count = len(loading.features)
    print(f"{path}: right; {count} feature{'' if count == 1 else 's'} on")


def _place(folder: str | None, config: Path | None, game: str | None, dialect: str | None) -> tuple[Path, str, str]:
    """Return the folder, the game and its dialect, as flags and settings say."""
    settings = load(
        config,
        None,
        {
            "features.folder": ("--folder", folder),
            "game.name": ("--game", game),
            "game.dialect": ("--dialect", dialect),
        },
    )
    return Path(settings.features.folder or DEFAULT_FOLDER), settings.game.name, settings.game.dialect


def _folder(path: Path, game: str, dialect: str) -> "FeatureFolder":
    from core.features.folder import FeatureFolder
    from games.registry import load_pack

    pack = load_pack(game)
    return FeatureFolder(path, pack, pack.codec(dialect) if pack.dialects else None)
