"""An instance as a plain process: what Terraform tells it is written to a folder, and run there as cloud-init would.

Everything that is not AWS's is real: bash, curl, the wheel, pip, the relay. `aws` is `tests.infra.aws_command` against
the emulator, the metadata service answers on a loopback port as IMDSv2 does (nothing without its token), and
`systemctl` writes down what it is told.
"""

import base64
import gzip
import http.server
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.infra.cloud import ROOT, Cloud

PACKAGES = ("core", "edge", "fleet", "games", "protos", "tidegate", "tunnel", "wire")
TOKEN = "a-token-for-this-instance"
TOKEN_HEADER = "X-aws-ec2-metadata-token"


class Metadata(http.server.ThreadingHTTPServer):
    """The metadata service of one instance; ``answers`` may be changed while it runs."""

    daemon_threads = True

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _MetadataHandler)
        self.answers = dict(answers)
        self.thread = threading.Thread(target=self.serve_forever, name="metadata", daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self.thread.join()


class _MetadataHandler(http.server.BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        lasts = self.headers.get(f"{TOKEN_HEADER}-ttl-seconds")
        self._answer(TOKEN if self.path == "/latest/api/token" and lasts else None)

    def do_GET(self) -> None:
        is_known = self.headers.get(TOKEN_HEADER) == TOKEN
        self._answer(self.server.answers.get(self.path.removeprefix("/latest/meta-data/")) if is_known else None)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, text: str | None) -> None:
        self.send_response(404 if text is None else 200)
        self.end_headers()
        self.wfile.write((text or "").encode())


class Instance:
    """``told`` is the user data as EC2 has it; ``root`` stands for the machine's root folder."""

    def __init__(self, root: Path, cloud: Cloud, region: str, told: str, metadata: Metadata) -> None:
        text = gzip.decompress(base64.b64decode(told)).decode()
        head, _, body = text.partition("\n")
        assert head == "#cloud-config"
        self.config: dict[str, Any] = json.loads(body)
        self.root = root
        self.calls = root / "systemctl.calls"
        self.asked = root / "aws.calls"
        self.players = root / "players"  # while it is there, services do not stop
        self.metadata = metadata
        self._cloud = cloud
        self._programs = root / "programs"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEGATE_", "PIP_"))},
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "AWS_DEFAULT_REGION": region,
            "NO_PROXY": "127.0.0.1",
            "PYTHONWARNINGS": "ignore",
            "TIDEGATE_ROOT": str(root),
            "TIDEGATE_METADATA": metadata.url,
            "TIDEGATE_PAUSE_SECONDS": "0.2",
            "TIDEGATE_SETTLE_SECONDS": "0.1",
            "TIDEGATE_WATCH_SECONDS": "0.1",
            "TIDEGATE_HEARTBEAT_SECONDS": "0.1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
        }
        self._write_files()
        self._write_programs()

    def path(self, absolute: str) -> Path:
        """Return where a file of the machine is."""
        return self.root / absolute.lstrip("/")

    def start(self, program: str) -> subprocess.Popen[str]:
        """Start one of the scripts, as cloud-init or systemd would."""
        return subprocess.Popen(
            [str(self.path(program))],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, program: str, status: int = 0) -> str:
        """Run one of the scripts to its end and return what it said."""
        with self.start(program) as process:
            said, _ = process.communicate()
        assert process.returncode == status, said
        return said

    def boot(self) -> str:
        """Run what cloud-init runs."""
        ((program,),) = self.config["runcmd"]
        assert not self.path(program).stat().st_mode & stat.S_IWOTH
        return self.run(program)

    def _write_files(self) -> None:
        for each in self.config["write_files"]:
            path = self.path(each["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(each["content"])
            path.chmod(int(each["permissions"], 8))

    def _write_programs(self) -> None:
        self._programs.mkdir()
        self._cloud.command.write_program(self._programs / "aws", first=f'echo "$1 $2" >> "{self.asked}"')
        # The wheel's dependencies are those of the tests; it is the wheel itself that is installed.
        (self._programs / "dependencies.pth").write_text("\n".join(each for each in sys.path if "-packages" in each))
        drained = f'while [ -e "{self.players}" ]; do sleep 0.1; done'
        give = f'cp "{self._programs}/dependencies.pth" "{self.root}"/opt/tidegate/lib/python3*/site-packages/'
        for name, text in {
            "systemctl": f'echo "$@" >> "{self.calls}"\n[ "$1" != stop ] || {drained}',
            "python3.11": f'"{sys.executable}" "$@" && {give}',
        }.items():
            path = self._programs / name
            path.write_text(f"#!/bin/bash\n{text}\n")
            path.chmod(0o755)


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel, interpreted (compiling takes longer and is tested elsewhere)."""
    source = folder / "source"
    source.mkdir()
    for each in ROOT.iterdir():
        if each.name in PACKAGES:
            shutil.copytree(each, source / each.name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        elif each.name in ("pyproject.toml", "setup.py", "README.md"):
            shutil.copy(each, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    build += ["--no-build-isolation", "--wheel-dir", str(folder / "wheels")]
    subprocess.run([*build, str(source)], check=True, env={**os.environ, "TIDEGATE_PURE": "1"})
    (wheel,) = (folder / "wheels").glob("tidegate-*.whl")
    return wheel
