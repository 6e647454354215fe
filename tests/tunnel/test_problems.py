"""What the ends of a tunnel say about themselves is bounded."""

import pytest

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.problems import MAX_PLACE_BYTES, MAX_PROBLEM_BYTES, MAX_PROBLEMS, bounded, check_problems, check_report
from wire.errors import TunnelFault


def test_what_is_bounded_passes() -> None:
    check_problems(bounded(["é" * 200] * 20))
    assert bounded(["é" * 200])[0] == "é" * (MAX_PROBLEM_BYTES // 2)
    assert len(bounded(["x"] * 20)) == MAX_PROBLEMS
    check_report(tunnel_pb2.Report(players_at="x" * MAX_PLACE_BYTES, problems=["x"]))


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (tunnel_pb2.Report(problems=["x"] * 9), "9 problems"),
        (tunnel_pb2.Report(problems=["é" * 129]), "problem of 258 bytes"),
        (tunnel_pb2.Report(players_at="x" * 256), "place of 256 bytes"),
        (tunnel_pb2.Report(probes_at="é" * 128), "place of 256 bytes"),
    ],
)
def test_what_is_too_much_is_refused(report: tunnel_pb2.Report, reason: str) -> None:
    with pytest.raises(TunnelFault, match=reason):
        check_report(report)
