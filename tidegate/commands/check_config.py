"""The command ``check-config``: shows the effective settings, or every mistake in them."""

import sys

from tidegate.commands.options import Assignments, Config, load


def check_config(config: Config = None, assignments: Assignments = None) -> None:
    """Show the settings, or all mistakes in them.

    Each setting has a comment that says where it came from. The output is a
    settings file that gives the same settings. Exit status 0 if everything is
    right, 2 if not. Certificate files are read and checked, too.

    \b
    Examples:
      tidegate check-config
      tidegate check-config -c tidegate.toml --set game.dialect=counter
    """
    settings = load(config, assignments, {})
    print(settings.as_toml(), end="")
    if settings.tls.certificate_file:
        from tidegate.certificates import check

        print(f"tidegate: the certificate is of {check(settings)}", file=sys.stderr)
