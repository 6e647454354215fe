"""Keeps the last good policy in a file, so that an edge can let players in before its core answers.

======  =====  =========  ===============================================================
offset  bytes  what       meaning
======  =====  =========  ===============================================================
0       16     magic      ``tidegate-policy`` and a line feed
16      32     checksum   SHA-256 of the policy
48      …      policy     the serialised policy, as the tunnel carries it
======  =====  =========  ===============================================================

The file is read once, at the start, and believed no more than a core is: who reads a core's policy also compares
this one with its checksum.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from fleet.kept_file import CHECKSUM_BYTES, KeptFileError, read_kept, replace_kept
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.policy import MAX_POLICY_BYTES, EdgePolicy, decode_policy
from wire.errors import TunnelFault

_log = structlog.get_logger("edge.policy")

MAGIC = b"tidegate-policy\n"
HEADER_BYTES = len(MAGIC) + CHECKSUM_BYTES
MAX_FILE_BYTES = HEADER_BYTES + MAX_POLICY_BYTES


class PolicyCache:
    """The file at ``path``; with an empty path there is none, and nothing is kept.

    Disks are slow at times, so policies are written by a thread, one after the other. `close` waits for the last one.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._kept = b""  # checksum of what is in the file, as far as is known here
        self._is_complaining = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="policy-cache")

    def load(self) -> EdgePolicy | None:
        """Return the policy of the file, or None where there is none that can be used, which is said."""
        if self._path is None:
            return None
        try:
            kept = read_kept(self._path, MAGIC, "a policy", MAX_FILE_BYTES)
            message = tunnel_pb2.Policy(sha256=kept.checksum, policy=kept.body)
            policy = decode_policy(message)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._refuse(f"it cannot be read: {error.strerror or error}")
        except (KeptFileError, TunnelFault) as fault:
            self._refuse(str(fault))
        else:
            self._kept = message.sha256
            _log.info("policy_cache_loaded", file=str(self._path), game=policy.game, policy=message.sha256.hex()[:12])
            return policy
        return None

    def store(self, message: tunnel_pb2.Policy) -> None:
        """Keep a policy that was accepted; returns at once, and never fails: a file that cannot be written is said."""
        if self._path is not None and message.sha256 != self._kept:
            self._kept = message.sha256
            self._writer.submit(self._write, self._path, message.policy)

    def close(self) -> None:
        """Wait until what was stored is on the disk."""
        self._writer.shutdown()

    def _write(self, path: Path, policy: bytes) -> None:
        try:
            replace_kept(path, MAGIC, policy)
        except OSError as error:
            if not self._is_complaining:
                reason = error.strerror or str(error)
                _log.warning("policy_cache_unwritable", file=str(path), reason=reason, action="going on without it")
            self._is_complaining = True
            self._kept = b""  # so that the next attachment tries again
        else:
            self._is_complaining = False

    def _refuse(self, reason: str) -> None:
        _log.warning(
            "policy_cache_refused", file=str(self._path), reason=reason, action="waiting for the core's policy"
        )
