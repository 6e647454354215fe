"""The list of metrics: Prometheus' conventions, and that the page is what the list says."""

from pathlib import Path

import pytest

from tidegate.ops.metric_list import CORE, EDGE, FEATURES, METRICS, PROCESS, Metric
from tidegate.ops.metrics_page import render_page

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
UNITS = ("_seconds", "_bytes")


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render_page(), "run `make docs`"


def test_names_are_unique() -> None:
    assert len(METRICS) == len((*PROCESS, *EDGE, *CORE, *FEATURES))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_conventions(metric: Metric) -> None:
    assert metric.name.startswith("tidegate_")
    assert metric.name == metric.name.lower()
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not any(word in metric.name for word in ("_ms", "milliseconds", "_kib", "percent"))
    assert metric.help.endswith((".", "`)."))
    if metric.kind == "histogram":
        assert metric.name.endswith(UNITS)
        assert not metric.labels
