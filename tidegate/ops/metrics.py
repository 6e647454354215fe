"""The page of metrics: samples of this process in Prometheus' text format. Used by `tidegate.ops.pages`.

Values of labels come from outside (the names of edges), so they are bounded in number: the first `MAX_VALUES` of a
label are shown, all others are counted together as ``other``. A page is made at most twice a second.
"""

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from tidegate import __version__
from tidegate.ops.metric_list import CORE, EDGE, FEATURES, METRICS, PROCESS, Metric
from tidegate.ops.observed import Observed
from tidegate.ops.samples import Sample, core_samples, discovery_samples, edge_samples, feature_samples, store_samples
from wire.histogram import Histogram
from wire.kernel import describe

MAX_VALUES = 64
"""Of one label: more edges than that on one core want a look at the edges themselves."""

MAX_VALUE_CHARACTERS = 64
KEPT_SECONDS = 0.5
SAMPLES_AT_ONCE = 100
"""Between two turns of the loop: with many edges a page takes tens of milliseconds, and no player waits for that."""

OTHER = "other"

_Values = dict[tuple[str, ...], float | Histogram]


class _One(Collector):
    """A registry of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        """Yield it."""
        yield self._family


class Metrics:
    """The metrics of one process. ``requests`` and ``dropped`` are counted by whoever serves the page."""

    def __init__(self, observed: Observed) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[str] = Counter()
        self._observed = observed
        self._values: dict[str, dict[str, None]] = {}  # by label: those that are shown, in the order they came
        self._of_process = CollectorRegistry()
        ProcessCollector(registry=self._of_process)
        self._build = (__version__, platform.python_version(), describe())
        self._making = asyncio.Lock()
        self._page = b""
        self._made_at_seconds = -KEPT_SECONDS

    async def page(self) -> bytes:
        """Return the page, which may be half a second old."""
        async with self._making:
            if time.monotonic() - self._made_at_seconds >= KEPT_SECONDS:
                self._page = await self._make()
                self._made_at_seconds = time.monotonic()
            return self._page

    async def _make(self) -> bytes:
        """Make the page, all families of this process and those without a sample too, in short turns of the loop."""
        gathered = await self._gather()
        parts = []
        for name, values in gathered.items():
            parts.append(generate_latest(_One(_family(METRICS[name], values))))
            await asyncio.sleep(0)
        return b"".join((*parts, generate_latest(self._of_process)))

    async def _gather(self) -> dict[str, _Values]:
        gathered: dict[str, _Values] = {each.name: {} for each in self._families()}
        for number, (name, labels, value) in enumerate(self._samples()):
            metric, values = METRICS[name], gathered[name]
            key = labels and tuple(map(self._bounded, metric.labels, labels))
            values[key] = _merged(metric, values[key], value) if key in values else value
            if number % SAMPLES_AT_ONCE == 0:
                await asyncio.sleep(0)
        return gathered

    def _families(self) -> Iterator[Metric]:
        observed = self._observed
        yield from PROCESS
        if observed.edge is not None:
            yield from EDGE
        if observed.core is not None:
            yield from CORE
            if observed.core.features is not None:
                yield from FEATURES

    def _samples(self) -> Iterator[Sample]:
        observed = self._observed
        yield "tidegate_build_info", self._build, 1
        relay = observed.edge or observed.core  # two in one process have one loop
        if relay is not None:
            yield "tidegate_event_loop_delay_seconds", (), relay.loop_delay.delays
            yield "tidegate_event_loop_recent_delay_seconds", (), relay.loop_delay.recent_seconds
        for labels, count in list(self.requests.items()):
            yield "tidegate_http_requests_total", labels, count
        for reason, count in list(self.dropped.items()):
            yield "tidegate_http_dropped_total", (reason,), count
        yield from discovery_samples(observed.discovery())
        for reason, count in list(observed.tls_refusals().items()):
            yield "tidegate_tls_handshakes_refused_total", (reason,), count
        expiry_seconds = observed.certificate_expiry_seconds()
        if expiry_seconds:
            yield "tidegate_tls_certificate_expiry_timestamp_seconds", (), expiry_seconds
        if observed.edge is not None:
            yield from edge_samples(observed.edge)
        if observed.core is not None:
            yield from core_samples(observed.core)
            yield from store_samples(observed.core.shared.store)
            if observed.core.features is not None:
                yield from feature_samples(observed.core.features)

    def _bounded(self, label: str, text: str) -> str:
        """Return a value of a label that is among those shown, or the one for all others."""
        shown = self._values.setdefault(label, {})
        if text in shown:
            return text
        text = text[:MAX_VALUE_CHARACTERS]
        if text not in shown:
            if len(shown) >= MAX_VALUES:
                return OTHER
            shown[text] = None
        return text


def _merged(metric: Metric, one: float | Histogram, other: float | Histogram) -> float | Histogram:
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        return one
    return max(one, other) if metric.merges == "max" else one + other


def _family(metric: Metric, values: _Values) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            if isinstance(value, Histogram):
                histogram.add_metric(labels, _buckets(value), value.total)
        return histogram
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        if not isinstance(value, Histogram):
            family.add_metric(labels, value)
    return family


def _buckets(histogram: Histogram) -> Sequence[tuple[str, float]]:
    """Return how many figures were at most so large, for each bound and without one."""
    buckets: list[tuple[str, float]] = []
    so_far = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets
