"""Terraform against an AWS of one's own: finds the provider, runs the program, and never speaks to the real AWS.

Used by the tests beside it. Every run has its own copy of ``infra/``, its own CLI configuration and an environment in
which the only AWS is the emulator on a loopback port, with credentials that are none.

Terraform takes the checksum of an installed provider at every command, and the AWS provider has 700 MB. Where a mirror
holds it unpacked, it is run from there as one that is being developed (``dev_overrides``), which saves that time;
`Terraform.install` does what an operator's ``terraform init`` does, and is tested once.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.infra.aws_command import AwsCommand

ROOT = Path(__file__).parents[2]
REGISTRY = "registry.terraform.io"
MIRROR = "TIDEGATE_TF_MIRROR"
SOFTWARE_ROOTS = ("/opt", "/usr/local", "/usr/share", "/usr/lib", "/srv", "/var/lib")
SEARCH_DEPTH = 3
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
CORE_REGION = "eu-central-1"


def find_mirror() -> Path | None:
    """Return the folder that holds ``registry.terraform.io``, where the provider stands; None where there is none."""
    named = os.environ.get(MIRROR)
    if named:
        assert (Path(named) / REGISTRY).is_dir(), f"{MIRROR} is {named}, and there is no {REGISTRY} in it"
        return Path(named)
    roots = [Path(each) for each in (*SOFTWARE_ROOTS, Path.home() / ".terraform.d")]
    return next((found for root in roots if (found := _search(root, SEARCH_DEPTH))), None)


def require_terraform() -> None:
    """Skip where there is no Terraform or no way to its provider, and say so; under CI with a mirror both must be."""
    mirror = find_mirror()
    program = shutil.which("terraform")
    if os.environ.get("CI") == "true" and mirror is not None:
        assert program, f"the provider is in {mirror}, and there is no terraform to use it"
    if not program:
        pytest.skip("terraform is not installed: https://developer.hashicorp.com/terraform/install")
    if mirror is None and not _reaches_registry():
        pytest.skip(f"neither a mirror of the AWS provider ({MIRROR}) nor a way to {REGISTRY}")


class Terraform:
    """One working copy of an example in ``folder``, with its own state. ``endpoint`` is the emulator's."""

    def __init__(self, folder: Path, example: str, endpoint: str) -> None:
        assert urlsplit(endpoint).hostname == "127.0.0.1", "tests use no AWS but their own"
        tree = folder / "infra"
        if not tree.exists():
            shutil.copytree(ROOT / "infra", tree, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.folder = tree / "terraform" / example
        self._bound_retries()
        mirror = find_mirror()
        provider = _unpacked_provider(mirror) if mirror else None
        self._make_ready = "init -input=false" if provider is None else "get"
        configuration = folder / "cli.tfrc"
        configuration.write_text(_cli_configuration(mirror, provider))
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))},
            **CREDENTIALS,
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        self._is_ready = False

    def _bound_retries(self) -> None:
        """Have providers ask twice: what the emulator does not know would otherwise be asked again for minutes.

        Once is too little: a connection that the emulator closes between two questions takes the next one with it.
        """
        texts = [each.read_text() for each in sorted(self.folder.glob("*.tf"))]
        blocks = [block for text in texts for block in re.findall(r'^provider "aws" {\n(.*?)^}', text, re.M | re.S)]
        aliases = [found[0] if (found := re.findall(r"^\s*alias\s*=.*$", block, re.M)) else "" for block in blocks]
        bounded = [f'provider "aws" {{\n{alias}\n  max_retries = 2\n}}\n' for alias in aliases]
        if bounded:
            (self.folder / "retries_override.tf").write_text("\n".join(bounded))

    def set(self, **variables: object) -> None:
        """Set variables of the example, in place of those set before."""
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(variables))

    def run(self, *arguments: str, status: tuple[int, ...] = (0,)) -> str:
        """Run one command and return what it printed; the test fails with that on any other exit status."""
        if not self._is_ready:
            self._is_ready = True
            self.run(*self._make_ready.split())
        done = subprocess.run(
            ["terraform", *arguments, *(("-no-color",) if arguments[0] not in ("fmt", "show") else ())],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in status, f"terraform {' '.join(arguments)}: {(done.stdout + done.stderr)[-6000:]}"
        return done.stdout

    def install(self) -> None:
        """Install provider and modules as an operator does, by ``terraform init``."""
        self._is_ready = True
        self.run("init", "-input=false")

    def apply(self) -> None:
        """Apply what is set. What is there is not read again first: that is what ``plan`` does, and takes a minute."""
        self.run("apply", "-auto-approve", "-input=false", "-parallelism=30", "-refresh=false")

    def destroy(self) -> None:
        """Destroy everything, without reading it again first."""
        self.run("destroy", "-auto-approve", "-input=false", "-parallelism=30", "-refresh=false")

    def plan(self, *arguments: str) -> Any:
        """Return the plan as JSON."""
        self.run("plan", "-input=false", "-parallelism=30", "-out=plan", *arguments)
        return json.loads(self.run("show", "-json", "plan"))

    def outputs(self) -> dict[str, Any]:
        """Return the outputs by name."""
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json")).items()}

    def state(self) -> str:
        """Return the state as it is on disk."""
        return (self.folder / "terraform.tfstate").read_text()


class Cloud:
    """The emulator, running: where it is, and clients to read back what was made."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.command = AwsCommand(self.endpoint)

    def client(self, service: str, region: str = CORE_REGION) -> Any:
        """Return boto3's client for a service; `Any`, since there are dozens of them."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"max_attempts": 0}, proxies={}),
        )

    def make_zone(self, name: str) -> str:
        """Make a public zone, as the operator has one; returns its id."""
        zone = self.client("route53").create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        return str(zone).rpartition("/")[2]


@contextlib.contextmanager
def aws() -> Iterator[Cloud]:
    """A running emulator, empty; it ends with the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.infra.aws_emulator"],
        cwd=ROOT,
        env={**environment, **CREDENTIALS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            cloud = Cloud(int(process.stdout.readline()))
            try:
                yield cloud
            finally:
                cloud.command.stop()
        finally:
            process.stdin.close()
            process.wait(20)


def operator_environment(folder: Path, cloud: Cloud) -> dict[str, str]:
    """Return the environment of an operator's shell, whose ``aws`` is ours; it stands in ``folder``."""
    programs = folder / "operator"
    programs.mkdir(exist_ok=True)
    cloud.command.write_program(programs / "aws")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "PATH": f"{programs}:{os.environ['PATH']}",
    }


def changes(plan: Any) -> dict[str, set[str]]:
    """Return what a plan would change: by type of resource, the attributes that differ; made and ended ones by what."""
    found: dict[str, set[str]] = {}
    for each in plan.get("resource_changes", ()):
        actions = each["change"]["actions"]
        if actions in (["no-op"], ["read"]):
            continue
        if actions != ["update"]:
            found.setdefault(each["type"], set()).update(actions)
            continue
        before, after = each["change"]["before"], each["change"]["after"]
        unknown = set(each["change"]["after_unknown"])
        found.setdefault(each["type"], set()).update(
            name for name in {*before, *after} - unknown if _plain(before.get(name)) != _plain(after.get(name))
        )
    return found


def _plain(value: Any) -> Any:
    """Return a value with all that is nothing as None: an empty text, list or object, and a list of such."""
    if isinstance(value, dict):
        return {name: each for name, each in ((name, _plain(each)) for name, each in value.items()) if each} or None
    if isinstance(value, list):
        return [each for each in map(_plain, value) if each is not None] or None
    return None if value == "" else value


def _unpacked_provider(mirror: Path) -> Path | None:
    """Return the folder of the newest AWS provider 5 that is unpacked in a mirror; None where none is."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    versions = mirror.glob(f"{REGISTRY}/hashicorp/aws/5.*/{sys.platform}_{machine}/terraform-provider-aws_v5*")
    found = sorted(versions, key=lambda each: [int(part) for part in each.parts[-3].split(".")])
    return found[-1].parent if found else None


def _cli_configuration(mirror: Path | None, provider: Path | None) -> str:
    if mirror is None:
        return ""
    run = "" if provider is None else f'  dev_overrides {{\n    "hashicorp/aws" = {json.dumps(str(provider))}\n  }}\n'
    install = f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
    return f"provider_installation {{\n{run}{install}}}\n"


def _search(folder: Path, depth: int) -> Path | None:
    try:
        if (folder / REGISTRY).is_dir():
            return folder
        inner = sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    except OSError:
        return None
    return next((found for each in inner if depth > 1 and (found := _search(each, depth - 1))), None)


def _reaches_registry() -> bool:
    try:
        socket.create_connection((REGISTRY, 443), timeout=3).close()
    except OSError:
        return False
    return True
