"""What the scripted server and the bots print at their end, as text for people.

Takes the plain data that ``--json`` prints as it is; knows no sockets and no game.
"""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

_COLUMNS = ("sent", "received", "lost", "doubled", "reordered")


def describe_world(report: Mapping[str, Any]) -> str:
    """Return the scripted server's ledger and counters."""
    lines = [
        "scripted server",
        f"  connections {report['connections']}, refused {report['refused_connections']}, "
        f"logins {report['logins']}, refused {report['refused_logins']}",
        f"  frames received {report['frames_received']}, sent {report['frames_sent']}",
        *_ledger(report["ledger"], ("received", "lost", "doubled", "reordered")),
    ]
    odd = {key: report[key] for key in _ODD if report[key]}
    if odd:
        lines.append("  also " + ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in odd.items()))
    if report["closes"]:
        lines.append("  closed for " + ", ".join(f"{key} {count}" for key, count in report["closes"].items()))
    return "\n".join(lines)


_ODD = (
    "unknown_opcodes",
    "ignored_packets",
    "ignored_calls",
    "wrong_state",
    "malformed_packets",
    "foreign_actions",
    "off_map_moves",
    "dropped_texts",
)


def describe_fleet(summary: Mapping[str, Any]) -> str:
    """Return what became of the bots, per target and in all."""
    lines = [f"{summary['bots']} bots, {summary['elapsed_seconds']:.1f} s"]
    lines += [f"  {count:6} {outcome}" for outcome, count in summary["outcomes"].items()]
    for target in summary["targets"]:
        trips = target["round_trips"]
        lines.append(
            f"  {target['address']}: {target['frames_sent']} frames out, {target['frames_received']} in, "
            f"round trip p50 {trips['p50_milliseconds']:.2f} ms, p99 {trips['p99_milliseconds']:.2f} ms, "
            f"p99.9 {trips['p99_9_milliseconds']:.2f} ms",
        )
    return "\n".join([*lines, *_ledger(summary["ledger"], _COLUMNS)])


def print_report(text: str) -> None:
    """Print to standard output; a reader that went away does not change the exit status."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _ledger(ledger: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    columns = tuple(columns)
    rows = [(kind, ledger["by_kind"][kind]) for kind in ledger["by_kind"]] + [("all", ledger)]
    lines = ["  " + f"{'ledger':8}" + "".join(f"{column:>12}" for column in columns)]
    lines += ["  " + f"{name:8}" + "".join(f"{row[column]:>12}" for column in columns) for name, row in rows]
    return lines + [f"  {fault}" for fault in ledger["faults"]]
