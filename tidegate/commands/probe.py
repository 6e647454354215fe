"""The command ``probe``: how far edges are from here, and which of them to use."""

from pathlib import Path
from typing import Annotated

import typer


def probe(
    edges: Annotated[
        list[str] | None, typer.Argument(metavar="HOST:PORT...", help="Where edges answer probes.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A list of edges, as a core publishes it.")
    ] = None,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The same from a core: its /edges.json.")] = "",
    count: Annotated[int, typer.Option("--count", min=1, max=50, help="Probes for each edge.")] = 5,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.05, max=30, help="How long one may take.")
    ] = 1.0,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure edges from here, and rank them.

    Asks each edge a few times, by UDP, or by HTTP where nothing comes back.
    First come those that take players, the nearest first; at the end those
    that do not answer, and why. Exit status 1 if none answers.

    \b
    Examples:
      tidegate probe fra-1.example.com:1973 sin-1.example.com:1973
      tidegate probe --url http://core.example.com:9400/edges.json
      tidegate probe --file edges.json --count 20 --json
    """
    from tidegate.probing.run import run_probe
    from tidegate.probing.targets import gather

    targets = gather(edges or (), file, url)
    raise typer.Exit(run_probe(targets, count=count, timeout_seconds=timeout, shows_json=json))
