"""Asks the relay of this container whether it goes on: exit status 0 if so. The image's HEALTHCHECK runs it.

It asks /healthz, not /readyz: an edge that waits for its core is well, and to start it anew would not help.
"""

import http.client
import os
import sys
import urllib.request

TIMEOUT_SECONDS = 3.0


def main() -> int:
    """Return the exit status."""
    port = os.environ.get("TIDEGATE_HTTP_LISTEN", "").rpartition(":")[2]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{int(port)}/healthz", timeout=TIMEOUT_SECONDS):
            return 0
    except (OSError, ValueError, http.client.HTTPException) as error:  # a wrong status is an OSError
        print(f"/healthz at TIDEGATE_HTTP_LISTEN, port {port or 'unknown'}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
