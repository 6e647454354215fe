"""The ``tidegate`` command: where a process begins and how it ends.

It decides what a failure looks like: mistakes and reasons not to start are their text on standard error with
exit status 2, Ctrl-C is status 130, and neither has a traceback. The commands themselves are in
`tidegate.commands`; nothing is imported before it is needed, so that ``--version`` and ``--help`` stay quick.
"""

import sys

from tidegate.errors import StartError

EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def main() -> None:
    """Run the command line; does not return."""
    try:
        sys.exit(_run())
    except StartError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        sys.exit(EXIT_WRONG_USE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _run() -> int:
    if sys.argv[1:] == ["--version"]:
        from tidegate.version import describe_version  # typer alone takes longer to import than this to print

        print(describe_version())
        return 0
    from tidegate.commands import app

    app(prog_name="tidegate")  # ends the process itself, with the command's status
    return 0
