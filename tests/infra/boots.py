"""What instances of a fleet do when they start and end, with the user data that Terraform gave them.

`tests.infra.test_minimal` calls it in the middle of the example's life, since certificates, addresses, zones and groups
have to be there. Core and edge really start, from the wheel, with certificates of a real authority, and meet.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.infra.cloud import CORE_REGION, ROOT, Cloud, operator_environment
from tests.infra.instance import Instance, Metadata, build_wheel
from tests.relays import free_port

SERVICES = "tidegate-lifecycle.service tidegate-publish.timer tidegate-certificates.timer"
UPLOAD = ROOT / "infra" / "terraform" / "scripts" / "upload_certificates"
PATIENCE_SECONDS = 60.0


def publish_release(folder: Path, cloud: Cloud, bucket: str) -> dict[str, str]:
    """Build the wheel and put it into S3; returns the variable ``release``."""
    wheel = build_wheel(folder)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": CORE_REGION})
    s3.put_object(Bucket=bucket, Key=wheel.name, Body=wheel.read_bytes())
    return {"bucket": bucket, "key": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}


class Boots:
    """The instances of the fleet ``minimal``; ``folder`` is theirs."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self._folder = folder
        self._cloud = cloud
        self._ssm = cloud.client("ssm")
        self._ec2 = cloud.client("ec2")
        self._count = 0

    def issue(self, role: str, region: str, *names: str) -> None:
        """Issue certificates with the project's own authority, and upload them with the script for that."""
        certs = self._folder / "certs"
        tidegate = [sys.executable, "-m", "tidegate", "certs"]
        if not certs.exists():
            subprocess.run([*tidegate, "init", "--folder", str(certs)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for name in names:
            issue = [*tidegate, "issue", role, name, "--region", region, "--folder", str(certs)]
            subprocess.run(issue, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        environment = operator_environment(self._folder, self._cloud)
        folders = [str(certs / f"{role}-{name}") for name in names]
        upload = [str(UPLOAD), "minimal", role, region, CORE_REGION, *folders]
        said = subprocess.run(upload, env=environment, check=True, capture_output=True, text=True).stdout
        assert [line.partition(":")[0] for line in said.splitlines()] == list(names)
        wrong = subprocess.run(
            [*upload[:3], "mars", *upload[4:]], env=environment, check=False, capture_output=True, text=True
        )
        assert wrong.returncode == 1
        assert f"not for {role}/mars" in wrong.stderr

    @contextmanager
    def instance(self, group: str, instance: str) -> Iterator[Instance]:
        """An instance of the group as it is before its first start."""
        self._count += 1
        (template,) = self._ec2.describe_launch_template_versions(LaunchTemplateName=group)["LaunchTemplateVersions"]
        root = self._folder / f"machine-{self._count}"
        root.mkdir()
        metadata = Metadata({"instance-id": instance, "local-ipv4": "127.0.0.1"})
        try:
            yield Instance(root, self._cloud, CORE_REGION, template["LaunchTemplateData"]["UserData"], metadata)
        finally:
            metadata.stop()

    def run_instance(self) -> str:
        """Have EC2 run one more; returns its id."""
        image = self._ec2.describe_images()["Images"][0]["ImageId"]
        return str(self._ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])

    def claim_of(self, role: str, region: str, name: str) -> str:
        """Return which instance has a certificate; empty where none has."""
        path = f"/tidegate/minimal/claims/{role}/{region}/{name}"
        found = self._ssm.get_parameters(Names=[path])["Parameters"]
        return str(found[0]["Value"]) if found else ""


def check_boots(folder: Path, cloud: Cloud) -> None:
    """Start a core, an edge, and edges for which there is no certificate left; then end the edge."""
    boots = Boots(folder, cloud)
    scaling = cloud.client("autoscaling")
    groups = {
        each["AutoScalingGroupName"]: each for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    }
    ids = {name: group["Instances"][0]["InstanceId"] for name, group in groups.items()}
    boots.issue("core", "core", "core-1")
    boots.issue("edge", "eu", "edge-1", "edge-2")
    with ExitStack() as stack:
        core = stack.enter_context(boots.instance("minimal-core-core", ids["minimal-core-core"]))
        assert "tidegate-core is started as core-1" in core.boot()
        check_booted(core, "core", "core-1")
        assert boots.claim_of("core", "core", "core-1") == ids["minimal-core-core"]
        check_name(cloud)
        edge = stack.enter_context(boots.instance("minimal-edge-eu", ids["minimal-edge-eu"]))
        edge.boot()
        name = edge.path("/etc/tidegate/name").read_text().strip()
        check_booted(edge, "edge", name)
        assert boots.claim_of("edge", "eu", name) == ids["minimal-edge-eu"]
        addresses = cloud.client("ec2").describe_addresses()["Addresses"]
        (address,) = [each for each in addresses if each.get("InstanceId") == ids["minimal-edge-eu"]]
        settings = tomllib.loads(edge.path("/etc/tidegate/tidegate.toml").read_text())
        assert settings["edge"]["public"] == f"{address['PublicIp']}:1973"
        check_services(core, edge, cloud)
        check_certificates_are_shared_out(boots, cloud, name)
        check_end(edge, boots, cloud, name, ids["minimal-edge-eu"])


def check_booted(instance: Instance, role: str, name: str) -> None:
    """Files, rights, settings and units of an instance that has started."""
    folder = instance.path("/etc/tidegate/certificates")
    assert {each.name for each in folder.iterdir()} == {"certificate.pem", "key.pem", "authority.pem", "revoked.pem"}
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}
    assert instance.calls.read_text().splitlines() == [
        "daemon-reload",
        f"enable --now tidegate-{role}.service {SERVICES}",
    ]
    settings = tomllib.loads(instance.path("/etc/tidegate/tidegate.toml").read_text())
    assert settings[role]["name"] == name
    assert "@" not in instance.path("/etc/tidegate/tidegate.toml").read_text()
    assert (
        "tidegate"
        in subprocess.run(
            [str(instance.path("/opt/tidegate/bin/tidegate")), "--version"], capture_output=True, text=True, check=True
        ).stdout
    )
    check_units(instance, "tidegate-*")


def check_units(instance: Instance, pattern: str) -> None:
    """Have systemd read the units as they were rendered, where it is installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    copies = instance.root / "units"
    shutil.copytree(instance.path("/etc/systemd/system"), copies)
    for each in copies.glob("*.service"):
        each.write_text(re.sub(r"(?<==)/(opt/tidegate|usr/local)/", f"{instance.root}/\\1/", each.read_text()))
    units = [str(each) for each in sorted(copies.glob(f"{pattern}.*")) if each.is_file()]
    done = subprocess.run([program, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def check_name(cloud: Cloud) -> None:
    """The lone core has entered its address in the private zone."""
    route53 = cloud.client("route53")
    (zone,) = [each["Id"] for each in route53.list_hosted_zones()["HostedZones"] if each["Name"] == "minimal.internal."]
    records = {
        each["Name"]: each for each in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    }
    assert records["core.minimal.internal."]["ResourceRecords"] == [{"Value": "127.0.0.1"}]


def check_services(core: Instance, edge: Instance, cloud: Cloud) -> None:
    """Start both as their units would, on ports of this machine; they find each other by their certificates."""
    tunnel, http = free_port(), free_port()
    with service(core, "core", {"0.0.0.0:7400": f"127.0.0.1:{tunnel}", "0.0.0.0:9464": "127.0.0.1:0"}):
        changes = {
            "0.0.0.0:1973": "127.0.0.1:0",
            "core.minimal.internal:7400": f"127.0.0.1:{tunnel}",
            "0.0.0.0:9464": f"127.0.0.1:{http}",
            "/var/lib/tidegate": str(edge.root),
        }
        with service(edge, "edge", changes) as ready:
            assert "game pko" in ready, "the edge has its policy from the core"
            instance = edge.path("/etc/tidegate/instance")
            instance.write_text(instance.read_text().replace("HTTP_PORT='9464'", f"HTTP_PORT='{http}'"))
            edge.run("/usr/local/lib/tidegate/publish")
    (metric,) = cloud.client("cloudwatch").list_metrics(Namespace="Tidegate")["Metrics"]
    assert metric["MetricName"] == "Sessions"
    dimensions = {"Fleet": "minimal", "Role": "edge", "Region": "eu"}  # what the group's policy tracks
    assert {each["Name"]: each["Value"] for each in metric["Dimensions"]} == dimensions


@contextmanager
def service(instance: Instance, role: str, changes: dict[str, str]) -> Iterator[str]:
    """Run the unit's command until the block ends; gives the line it says when it is ready."""
    unit = instance.path(f"/etc/systemd/system/tidegate-{role}.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    text = instance.path("/etc/tidegate/tidegate.toml").read_text()
    for old, new in {**changes, "/etc/tidegate": str(instance.path("/etc/tidegate"))}.items():
        text = text.replace(old, new)
    settings = instance.root / "settings.toml"
    settings.write_text(text)
    program, *words = line.split()
    command = [str(instance.path(program)), *(str(settings) if word.endswith(".toml") else word for word in words)]
    log = instance.root / "service.log"
    with log.open("w") as said, subprocess.Popen(command, cwd=instance.root, stdout=said, stderr=said) as process:

        def ready_line() -> str:
            assert process.poll() is None, log.read_text()
            return next((each for each in log.read_text().splitlines() if f"tidegate {role}: ready" in each), "")

        try:
            wait_until(ready_line)
            yield ready_line()
        finally:
            process.terminate()
            status = process.wait(30)
    assert status == 0, log.read_text()


def check_certificates_are_shared_out(boots: Boots, cloud: Cloud, taken: str) -> None:
    """Two more edges: one has the other certificate, and the next waits until an instance is gone."""
    second, third = boots.run_instance(), boots.run_instance()
    other = {"edge-1": "edge-2", "edge-2": "edge-1"}[taken]
    with boots.instance("minimal-edge-eu", second) as instance:
        instance.run("/usr/local/lib/tidegate/certificates")
        assert instance.path("/etc/tidegate/name").read_text().strip() == other
    with boots.instance("minimal-edge-eu", third) as instance:
        instance.run("/usr/local/lib/tidegate/certificates", status=1)
        assert not instance.path("/etc/tidegate/name").exists()
        cloud.client("ec2").terminate_instances(InstanceIds=[second])
        instance.run("/usr/local/lib/tidegate/certificates")
        assert boots.claim_of("edge", "eu", other) == third
    cloud.client("ec2").terminate_instances(InstanceIds=[third])


def check_end(edge: Instance, boots: Boots, cloud: Cloud, name: str, instance: str) -> None:
    """The group wants the edge gone: it drains, gives its name back, and says that it is done."""
    before = len(edge.calls.read_text().splitlines())
    edge.players.touch()
    with edge.start("/usr/local/lib/tidegate/lifecycle") as process:
        try:
            edge.metadata.answers["autoscaling/target-lifecycle-state"] = "InService"
            edge.metadata.answers["autoscaling/target-lifecycle-state"] = "Terminated"
            wait_until(lambda: "autoscaling record-lifecycle-action-heartbeat" in edge.asked.read_text())
            assert state_of(cloud, instance) == "running", "it drains, and says so"
            edge.players.unlink()
            wait_until(lambda: state_of(cloud, instance) in ("shutting-down", "terminated"))
        finally:
            process.terminate()
    (stopped,) = edge.calls.read_text().splitlines()[before:]
    assert stopped.startswith("stop tidegate-edge.service")
    assert boots.claim_of("edge", "eu", name) == ""


def state_of(cloud: Cloud, instance: str) -> str:
    """Return the state of an instance."""
    reservations = cloud.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    return str(reservations[0]["Instances"][0]["State"]["Name"])


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what another process does; fails after a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
