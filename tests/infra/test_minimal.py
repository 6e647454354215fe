"""The example `minimal`, applied for real, read back, planned again; its instances start and end; it is destroyed."""

import base64
import gzip
from pathlib import Path

import pytest

from tests.infra.boots import check_boots, publish_release
from tests.infra.checks import check_plan, rules_of
from tests.infra.cloud import Terraform, aws, changes, require_terraform


@pytest.mark.timeout(900)
def test_one_region_comes_is_right_stays_and_goes(tmp_path: Path) -> None:
    require_terraform()
    with aws() as cloud:
        fleet = Terraform(tmp_path, "examples/minimal", cloud.endpoint)
        fleet.set(release=publish_release(tmp_path, cloud, "releases"))
        fleet.apply()
        outputs = fleet.outputs()
        ec2, scaling = cloud.client("ec2"), cloud.client("autoscaling")

        region = outputs["regions"]["eu"]
        assert region["security_groups"]["balancer"] is None
        assert rules_of(ec2, region["security_groups"]["instances"]) == {
            ("in", "tcp", 1973, "0.0.0.0/0"),
            ("in", "tcp", 1973, "::/0"),
            ("in", "udp", 1973, "0.0.0.0/0"),  # probes
            ("in", "udp", 1973, "::/0"),
            ("out", "tcp", 443, "0.0.0.0/0"),
            ("out", "tcp", 443, "::/0"),
            ("out", "tcp", 7400, "10.200.8.0/23"),
        }
        assert rules_of(ec2, outputs["core"]["security_group"]) == {
            ("in", "tcp", 7400, "10.10.0.0/23"),
            ("out", "tcp", 443, "0.0.0.0/0"),
            ("out", "tcp", 443, "::/0"),
            ("out", "tcp", 1973, "198.51.100.7/32"),
        }
        addresses = outputs["players_connect_to"]["regions"]["eu"]
        assert len(addresses) == 2, "one for an edge, and one for an edge that takes over"
        assert {each["PublicIp"] for each in ec2.describe_addresses()["Addresses"]} >= set(addresses)

        groups = {
            each["AutoScalingGroupName"]: each for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        }
        assert {name: (each["MinSize"], each["MaxSize"]) for name, each in groups.items()} == {
            "minimal-edge-eu": (1, 1),
            "minimal-core-core": (1, 2),
        }
        for name in groups:
            (hook,) = scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
            assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
            assert hook["HeartbeatTimeout"] == 600  # a drain may be longer: the instance says that it goes on

        cores = [each["Instances"][0] for each in ec2.describe_instances()["Reservations"]]
        assert len([each for each in cores if each.get("SubnetId")]) == 2

        for each in ec2.describe_launch_templates()["LaunchTemplates"]:
            (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=each["LaunchTemplateId"])[
                "LaunchTemplateVersions"
            ]
            data = version["LaunchTemplateData"]
            assert data["MetadataOptions"]["HttpTokens"] == "required"
            assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
            compressed = base64.b64decode(data["UserData"])
            assert len(compressed) <= 16384
            assert b"PRIVATE KEY" not in gzip.decompress(compressed)

        again = fleet.plan()
        check_plan(again, open_ports=(1973,))
        assert changes(again) == {}, "a second plan has nothing to do"

        check_boots(tmp_path, cloud)

        fleet.destroy()
        assert not scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        assert not [each for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]]
        assert not ec2.describe_addresses()["Addresses"]
        assert not cloud.client("route53").list_hosted_zones()["HostedZones"]
