"""Bounds on what the ends of a tunnel say about themselves with their heartbeats."""

from collections.abc import Sequence

from protos.tidegate.tunnel.v1 import tunnel_pb2
from wire.errors import TunnelFault

MAX_PROBLEMS = 8
MAX_PROBLEM_BYTES = 256
MAX_PLACE_BYTES = 255


def check_problems(problems: Sequence[str]) -> None:
    """Raise TunnelFault for more or longer sentences than the contract allows."""
    if len(problems) > MAX_PROBLEMS:
        raise TunnelFault(f"{len(problems)} problems in a heartbeat: at most {MAX_PROBLEMS} are allowed")
    longest = max((len(each.encode()) for each in problems), default=0)
    if longest > MAX_PROBLEM_BYTES:
        raise TunnelFault(f"problem of {longest} bytes in a heartbeat: at most {MAX_PROBLEM_BYTES} are allowed")


def check_report(report: tunnel_pb2.Report) -> None:
    """Raise TunnelFault for a report that breaks its bounds."""
    check_problems(report.problems)
    for place in (report.players_at, report.probes_at):
        if len(place.encode()) > MAX_PLACE_BYTES:
            raise TunnelFault(
                f"place of {len(place.encode())} bytes in a report: at most {MAX_PLACE_BYTES} are allowed"
            )


def bounded(problems: Sequence[str]) -> list[str]:
    """Return what fits into a heartbeat."""
    return [each.encode()[:MAX_PROBLEM_BYTES].decode(errors="ignore") for each in problems[:MAX_PROBLEMS]]
