"""Writes docs/settings.md from the models: ``python -m tidegate.settings_page docs/settings.md``.

A test compares the page with what this gives, so that the page cannot rot. Run by people only.
"""

import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from tidegate.settings_models import SECTIONS
from tidegate.settings_rules import field_of, rule_of
from tidegate.settings_sources import FRAMING, environment_name

_HEAD = """\
# Settings

<!-- Written by `make docs` from tidegate/settings_models.py; change it there. -->

A setting comes from a TOML file (`-c FILE`), from the environment or from a flag; the later of these wins.
Every value of every source is checked, and all mistakes are reported at once with exit status 2.
`tidegate check-config` prints the settings in effect and where each came from.

```toml
# tidegate.toml
[game]
name = "pko"

[core]
origin = "10.0.0.5:1973"
```

    TIDEGATE_EDGE_LISTEN=0.0.0.0:1973 tidegate up -c tidegate.toml --set edge.max_sessions=500

Any setting can be given by `--set KEY=VALUE`. Values of the environment and of flags are written as in TOML; the
quotes around a text may be left out. Names that begin with `TIDEGATE_` but with no section's name are not settings.

An address is `HOST:PORT` or `[IPv6]:PORT`. Where a relay listens, port 0 takes any free port.
"""


def render_page() -> str:
    """Return the page."""
    return "\n".join((_HEAD, *(_render_section(name) for name in SECTIONS)))


def _render_section(section: str) -> str:
    model = SECTIONS[section]
    rows = (_render_row(section, name) for name in model.model_fields)
    heading = "| key | what belongs there | default | environment | meaning |\n|---|---|---|---|---|"
    return f"## `[{section}]`\n\n{model.__doc__}\n\n{heading}\n" + "".join(f"{row}\n" for row in rows)


def _render_row(section: str, name: str) -> str:
    environment = environment_name((section, name)) + ("_<KEY>" if (section, name) == FRAMING else "")
    cells = (
        f"`{section}.{name}`",
        rule_of(section, name),
        _default_of(section, name),
        f"`{environment}`",
        field_of(section, name).description or "",
    )
    return f"| {' | '.join(cells)} |"


def _default_of(section: str, name: str) -> str:
    default = field_of(section, name).default
    if default is PydanticUndefined:
        return "empty" if (section, name) == FRAMING else "the machine's name"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if str(default) else "empty"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_page())
