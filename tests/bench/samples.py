"""Made-up measurements for the tests of what is calculated from them."""

from bench.figures import Sample
from bench.generator import LoadResult

RESULT = LoadResult(
    sessions=1000,
    refused=0,
    broken=0,
    seconds=2.0,
    sent=20_000,
    received=20_000,
    lost=0,
    doubled=0,
    reordered=0,
    corrupt=0,
    unanswered=0,
    held_back=0,
    late_max_us=100.0,
    p50_us=1500.0,
    p99_us=4000.0,
    p999_us=5000.0,
    max_us=6000.0,
    own_cpu_seconds=0.2,
    watched_cpu_seconds={"1": 0.1},
)


def sample(
    *, cpu_seconds: float | None = 0.4, memory_bytes: float | None = None, result: LoadResult = RESULT
) -> Sample:
    return Sample(result=result, relay_cpu_seconds=cpu_seconds, origin_cpu_seconds=0.1, memory_bytes=memory_bytes)
