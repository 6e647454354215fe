"""A policy as tables for a terminal; what stands in them comes from `tidegate.policy_view`.

A pipe gets the same without colours and without a limit on the width, so that a packet is a line.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tidegate.policy_view import View, describe_step, view_packet, view_policy
from tunnel.policy import EdgePolicy
from wire.rules import PacketRule, RuleSet
from wire.steps import Step

PIPE_WIDTH = 240

_RIGHT = ("opcode", "per second", "cost")


def print_policy(policy: EdgePolicy) -> None:
    """Print the whole policy, packets first."""
    console = _console()
    view = view_policy(policy)
    console.print(_title(policy, view))
    if policy.rules is None:
        console.print("The game has no rules: only the lengths of frames are checked.")
        return
    _print(console, "Packets from players", _PACKET_COLUMNS, map(_packet_row, view["packets"]))
    session = view["session"]
    limits = [(name, *_rate_cells(session[name])) for name in ("frames", "bytes", "bare", "refusals", "distance")]
    _print(console, "All packets of a player together", ("limit", "per second", "burst"), limits)
    checks = [(name, each["mode"], each["action"]) for name, each in view["checks"].items()]
    _print(console, "Checks, in their order", ("check", "mode", "action"), checks)
    triggers = [(each["opcode"], each["name"], _condition(each), _effects(each)) for each in view["triggers"]]
    _print(console, "What the game server's packets change", ("opcode", "name", "if", "then"), triggers)
    console.print(f"What was legal before such a change still is for {session['after_change_seconds']:g} s.")


def print_packets(rules: RuleSet, packets: Iterable[PacketRule]) -> None:
    """Print all there is to know of some packets, layouts included."""
    console = _console()
    for rule in packets:
        view = view_packet(rules, rule)
        rows = [(name, value) for name, value in _details(view).items() if value]
        _print(console, f"{rule.name} ({rule.opcode})", ("", ""), rows)
        for number, steps in enumerate(rule.layouts, start=1):
            which = f" {number} of {len(rule.layouts)}" if len(rule.layouts) > 1 else ""
            _print(console, f"Layout{which}", ("field", "what belongs there"), _step_rows(steps))


_PACKET_COLUMNS = (
    "opcode",
    "name",
    "states",
    "body bytes",
    "per second",
    "burst",
    "shared rate",
    "cost",
    "mode",
    "action",
    "over its rate",
)


def _packet_row(view: View) -> tuple[object, ...]:
    return (
        view["opcode"],
        view["name"],
        _states(view),
        _size(view),
        *_rate_cells(view["rate"]),
        view["rate"]["name"] if view["shares_rate_with"] else "",
        f"{view['cost']:g}",
        view["mode"],
        view["action"] or "",
        view["rate_action"] or "",
    )


def _details(view: View) -> dict[str, str]:
    selector, words, rate = view["selector"], view["session_words"], view["rate"]
    own = "what the check says"
    return {
        "selected by": "" if selector is None else _selected(selector),
        "legal in": _states(view),
        "then": _effects(view),
        "session words": "" if words is None else f"{words[0]} to {words[1]}",
        "body": f"{_size(view)} bytes",
        "rate": "no limit of its own"
        if rate is None
        else f"{rate['per_second']:g} per second, burst {rate['burst']:g}",
        "cost": f"{view['cost']:g}",
        "shared with": ", ".join(view["shares_rate_with"]),
        "mode": view["mode"],
        "action": view["action"] or own,
        "over its rate": view["rate_action"] or own,
    }


def _step_rows(steps: Sequence[Step]) -> Iterable[tuple[str, str]]:
    """Yield a row for each step, those that another governs set in."""
    open_blocks: list[int] = []
    for place, step in enumerate(steps):
        while open_blocks and place >= open_blocks[-1]:
            open_blocks.pop()
        yield "  " * len(open_blocks) + (step.name or "-"), describe_step(step) + (" (secret)" if step.secret else "")
        if step.steps:
            open_blocks.append(place + 1 + step.steps)


def _states(view: View) -> str:
    needs = "".join(f", with {name}" for name in view["needs"])
    return ", ".join(view["states"]) + needs + "".join(f", without {name}" for name in view["forbids"])


def _size(view: View) -> str:
    low, high = view["min_body_bytes"], view["max_body_bytes"]
    return str(low) if low == high else f"{low} to {high}"


def _rate_cells(rate: View | None) -> tuple[str, str]:
    return ("no limit", "") if rate is None else (f"{rate['per_second']:g}", f"{rate['burst']:g}")


def _selected(selector: View) -> str:
    return f"{selector['value']} in {selector['width_bytes']} bytes at offset {selector['offset_bytes']} of the body"


def _condition(view: View) -> str:
    value = view["value"]
    if value is None:
        return ""
    span = str(value["low"]) if value["low"] == value["high"] else f"{value['low']} to {value['high']}"
    return f"{value['width_bytes']} bytes at {value['offset_bytes']}: {span}"


def _effects(view: View) -> str:
    parts = [] if view["next_state"] is None else [f"state {view['next_state']}"]
    parts += [f"sets {name}" for name in view["sets"]] + [f"clears {name}" for name in view["clears"]]
    if view.get("memory") is not None:
        parts.append(f"fills memory {view['memory']}")
    return ", ".join(parts)


def _title(policy: EdgePolicy, view: View) -> str:
    dialect = f" ({policy.dialect})" if policy.dialect else ""
    frames = "" if view["max_frame_bytes"] is None else f", frames up to {view['max_frame_bytes']} bytes"
    return f"{policy.game}{dialect}{frames}, policy {view['policy'][:12]}"


def _print(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print one table under its title; columns without any heading have none."""
    table = Table(box=box.SIMPLE_HEAD, show_header=any(columns), show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in _RIGHT else "left")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(f"\n{title}", style="bold")
    console.print(table)


def _console() -> Console:
    console = Console(markup=False, highlight=False, emoji=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, emoji=False, width=PIPE_WIDTH)
