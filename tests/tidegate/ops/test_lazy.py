"""A relay that answers no HTTP loads nothing that is for it."""

import subprocess
import sys


def test_relays_load_the_http_server_only_when_it_is_wanted() -> None:
    show = "import sys, tidegate.serve; print(*sys.modules)"
    finished = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(finished.stdout.split())
    assert "tidegate.ops.observed" in loaded
    assert {"starlette", "uvicorn", "prometheus_client", "h11"}.isdisjoint(loaded)
