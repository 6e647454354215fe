"""Writes docs/metrics.md from the list of metrics: ``python -m tidegate.ops.metrics_page docs/metrics.md``.

A test compares the page with what this gives, and the list with what real processes show. Run by people only.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from tidegate.ops.metric_list import CORE, EDGE, FEATURES, PROCESS, Metric

_HEAD = """\
# Metrics and health

<!-- Written by `make docs` from tidegate/ops; change it there. -->

Every process answers over HTTP where it is told to:

```sh
tidegate core --listen 10.0.0.5:7400 --game pko --origin 127.0.0.1:1974 \\
    --certificates certs/core-core-1 --http 10.0.0.5:9400
tidegate edge --listen 0.0.0.0:1973 --core 10.0.0.5:7400 \\
    --certificates certs/edge-fra-1 --http 10.0.0.9:9400
curl http://10.0.0.5:9400/metrics
```

The same as a setting: `http.listen` in the file, `TIDEGATE_HTTP_LISTEN` in the environment. The log says where it
answers (`http_listening`), also when port 0 took any.

| path | what |
|---|---|
| `/metrics` | what is listed below, in Prometheus' text format |
| `/healthz` | 200 while the process goes on |
| `/readyz` | 200 while new players can be let in, otherwise 503; in both cases JSON that says why |
| `/edges.json` | on a core: the list of edges for launchers ([steering.md](steering.md)) |

    $ curl -s http://10.0.0.9:9400/readyz
    {"ready": false, "edge": {"state": "critical", "problems": ["no core is attached"]}}

`state` is `serving`, `draining` or `critical`. A core is critical while its game server cannot be reached or its event
loop is late, an edge while it has no tunnel. `tidegate up` shows both on one endpoint, and is ready when both are.

For Prometheus:

```yaml
scrape_configs:
  - job_name: tidegate
    static_configs:
      - targets: ["10.0.0.5:9400", "10.0.0.9:9400"]
```

## Workers

With `--workers N` each worker has an endpoint of its own: worker 1 at the port that is set, worker 2 one port on, and
so forth. Name all of them as targets. A worker, or the successor in an [upgrade](tunnel.md), whose port is taken relays
all the same, says `http_waits` once, and answers as soon as the port is free. A relay without workers does not start on
a port in use.

## Who may ask

There is no password, and no TLS: let the endpoint listen on loopback or a private network, and let a web server in
front of it pass on `/edges.json` alone where launchers need it. Only GET and HEAD are answered. A head may have 8 KiB;
a connection may be there for 5 s without a request and for 60 s in all; of more than 64 connections the one that has
been idle for longest is dropped. A page of metrics is made at most twice a second. Nothing here waits for anything:
the pages are made of what the relay counts anyway.

## What is measured

Sums are of this process since its start; a worker that is started anew begins at 0, and so does an edge after an
upgrade. Names of edges, cores and features come from outside: of each label the first 64 values are shown, and all
others are counted together as `other`. Reasons are those of [reasons.md](reasons.md) and [refusals.md](refusals.md).
Metrics of the process itself (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds` and
others) are those of every Python program.
"""

_SECTIONS = (
    ("Of every process", PROCESS),
    ("Of an edge", EDGE),
    ("Of a core", CORE),
    ("Of a core with features", FEATURES),
)


def render_page() -> str:
    """Return the page."""
    return "\n".join((_HEAD, *(_render_section(title, metrics) for title, metrics in _SECTIONS)))


def _render_section(title: str, metrics: Iterable[Metric]) -> str:
    rows = "".join(
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |\n"
        for each in metrics
    )
    return f"### {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_page())
