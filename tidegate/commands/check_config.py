"""The command ``check-config``: shows the effective settings, or every mistake in them."""

import sys

from tidegate.commands.options import Assignments, Config, load


def check_config(config: Config = None, assignments: Assignments = None) -> None:
    """Show the settings, or all mistakes in them.

    Each setting has a comment that says where it came from. The output is a
    settings file that gives the same settings. Exit status 0 if everything is
    right, 2 if not. Certificate files are read and checked, too, and whether
    relays on several machines may go without.

    \b
    Examples:
      tidegate check-config
      tidegate check-config -c tidegate.toml --set game.dialect=counter
    """
    settings = load(config, assignments, {})
    print(settings.as_toml(), end="")
    from tidegate.certificates import check  # it imports the settings' library, which --help does without

    identity = check(settings)
    if identity is not None:
        print(f"tidegate: the certificate is of {identity}", file=sys.stderr)
