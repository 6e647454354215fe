"""The command ``why``: what an edge's log says about one session."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

MIN_PREFIX_CHARACTERS = 6
SESSION_CHARACTERS = 32

EXIT_NOTHING_FOUND = 1


def why(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="The session's id, or how it begins: at least six characters.")
    ],
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", metavar="FILE", help="An edge's log, may be .gz; repeatable. Else standard input."),
    ] = None,
) -> None:
    """Say what was refused of a session, and why.

    Reads an edge's log, as JSON or as text, and prints when the session was
    opened and from where, each refusal with what was wrong, and how it ended.
    Exit status 1 if the log has nothing of it.

    \b
    Examples:
      tidegate why 1f0c22 --log edge.log
      tidegate why 1f0c22 --log edge.log.1.gz --log edge.log
      journalctl -u tidegate-edge -o cat | tidegate why 1f0c22
    """
    import zlib

    from tidegate.session_log import find_session

    prefix = _read_prefix(session)
    try:
        found = find_session(_open_all(log), prefix)
    except (OSError, EOFError, zlib.error) as error:
        from tidegate.errors import StartError

        raise StartError(f"the log cannot be read: {error}") from error
    if len(found.sessions) > 1:
        names = "".join(f"\n  {name}" for name in found.sessions)
        raise typer.BadParameter(f"{session} fits several sessions; say more of it:{names}", param_hint="SESSION")
    if not found.sessions:
        print(_describe_nothing(session, found.lines, found.sessions_not_shown), file=sys.stderr)
        raise typer.Exit(EXIT_NOTHING_FOUND)
    from tidegate.session_story import tell

    print(tell(found))


def _read_prefix(session: str) -> str:
    prefix = session.strip().lower().replace("-", "")
    if not MIN_PREFIX_CHARACTERS <= len(prefix) <= SESSION_CHARACTERS or prefix.strip("0123456789abcdef"):
        raise typer.BadParameter(
            f"{session!r} is not how a session's id begins: {MIN_PREFIX_CHARACTERS} to {SESSION_CHARACTERS} "
            "hexadecimal digits",
            param_hint="SESSION",
        )
    return prefix


def _open_all(paths: Iterable[Path] | None) -> Iterator[BinaryIO]:
    """Yield the logs one after the other, open for reading; raises OSError."""
    if not paths:
        if sys.stdin.isatty():
            print("reading the log from standard input; --log FILE reads a file", file=sys.stderr)
        yield sys.stdin.buffer
        return
    for path in paths:
        if path.suffix == ".gz":
            import gzip

            with gzip.open(path, "rb") as packed:
                yield packed  # type: ignore[misc] # it reads like a file
        else:
            with path.open("rb") as file:
                yield file


def _describe_nothing(session: str, lines: int, sessions_not_shown: int) -> str:
    text = (
        f"tidegate: nothing about session {session} in {lines} lines. A log has the refusals of a session from "
        "log.level=info on, and the beginning and end of every session with log.level=debug (--log-level debug)"
    )
    if sessions_not_shown:
        text += f"; {sessions_not_shown} sessions with refusals were left out, as there is one line a second for them"
    return f"{text}."
