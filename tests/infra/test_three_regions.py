"""The example `three-regions`, applied for real: what was made, a region more, more machines, and at last nothing."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.infra.checks import all_groups_let_in, check_plan, resources, rules_of
from tests.infra.cloud import ROOT, Cloud, Terraform, aws, changes, operator_environment, require_terraform
from tests.infra.consul_boots import check_consul_boots, publish_consul
from tidegate.commands import app
from tidegate.settings import load_settings

RELEASE = {"bucket": "releases", "key": "tidegate-0.1.0-py3-none-any.whl", "sha256": "ab" * 32}
EDGES: dict[str, dict[str, Any]] = {
    "eu": {"region": "eu-central-1", "prefix": "10.10.0.0/20", "min": 2, "max": 6},
    "us": {"region": "us-east-1", "prefix": "10.20.0.0/20"},
    "asia": {"region": "ap-southeast-1", "prefix": "10.30.0.0/20", "entry": "addresses", "max": 2},
}
MORE_EDGES = {
    **EDGES,
    "eu": {**EDGES["eu"], "min": 3, "max": 8, "drain_seconds": 900},
    "sa": {"region": "sa-east-1", "prefix": "10.40.0.0/20", "entry": "addresses", "max": 1},
}


@pytest.mark.timeout(1200)
def test_three_regions_come_a_fourth_is_added_and_all_go(tmp_path: Path) -> None:
    require_terraform()
    with aws() as cloud:
        fleet = Terraform(tmp_path, "examples/three-regions", cloud.endpoint)
        consul = {"release": publish_consul(cloud, RELEASE["bucket"])}
        settings: dict[str, Any] = {
            "origin": {"address": "198.51.100.7:1973"},
            "release": RELEASE,
            "core": {"name": "eu", "instances": 1, "operators": ["192.0.2.0/24"]},
            "redis": None,  # the emulator has no replication groups
            "consul": consul,
            "steering": {"zone_id": cloud.make_zone("example.com"), "name": "play.example.com"},
        }
        fleet.set(**settings, edges=EDGES)
        fleet.apply()
        outputs = fleet.outputs()
        check_who_is_let_in(cloud, outputs)
        check_balancers(cloud, outputs)
        check_names(cloud, settings["steering"]["zone_id"], EDGES)
        check_groups(cloud, EDGES)
        check_settings(outputs, tmp_path)
        secret = make_gossip_key(cloud, outputs, tmp_path)
        check_consul_boots(tmp_path, cloud)

        fleet.set(**settings, edges=MORE_EDGES)
        fleet.apply()
        check_names(cloud, settings["steering"]["zone_id"], MORE_EDGES)
        check_groups(cloud, MORE_EDGES)
        assert refreshed(cloud, MORE_EDGES) == {"tidegate-edge-eu"}, "only what instances are told anew is replaced"
        assert (
            cloud.client("ec2", "sa-east-1").describe_addresses()["Addresses"][0]["PublicIp"]
            in (fleet.outputs()["players_connect_to"]["regions"]["sa"])
        )
        assert make_gossip_key(cloud, outputs, tmp_path) == secret, "a secret changes when it is told to, and no sooner"

        again = fleet.plan()
        check_plan(again, open_ports=(1973, 1975))
        assert changes(again) == {}, "a second plan has nothing to do"
        assert secret not in json.dumps(again)
        assert secret not in fleet.state()

        fleet.destroy()
        check_planned_fleet(fleet, tmp_path, consul)
        for edge in MORE_EDGES.values():
            ec2 = cloud.client("ec2", edge["region"])
            assert not [each for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]]
            assert not cloud.client("autoscaling", edge["region"]).describe_auto_scaling_groups()["AutoScalingGroups"]
            assert not cloud.client("elbv2", edge["region"]).describe_load_balancers()["LoadBalancers"]
        (zone,) = cloud.client("route53").list_hosted_zones()["HostedZones"]
        assert zone["Name"] == "example.com."


def check_planned_fleet(fleet: Terraform, folder: Path, consul: dict[str, Any]) -> None:
    """Plan what `tidegate plan` writes, with nothing there."""
    path = folder / "fleet.tfvars"
    arguments = ["plan", "--regions", "eu-central-1=3000,sa-east-1=1000", "--out", str(path)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    fleet.set(origin={"address": "198.51.100.7:1973"}, release=RELEASE, consul=consul)
    planned = {each["address"]: each["values"] for each in resources(fleet.plan(f"-var-file={path}"))}
    edges = planned['module.fleet.module.edge_sa_east_1["saeast1"].module.edge.aws_autoscaling_group.edge']
    assert (edges["min_size"], edges["max_size"]) == (1, 3)
    assert planned["module.fleet.module.core.aws_autoscaling_group.core"]["min_size"] == 6
    assert planned["module.fleet.module.redis[0].aws_elasticache_replication_group.redis"]["num_cache_clusters"] == 2


def check_who_is_let_in(cloud: Cloud, outputs: dict[str, Any]) -> None:
    groups = outputs["regions"]["eu"]["security_groups"]
    ec2 = cloud.client("ec2")
    world = {
        (protocol, port, prefix)
        for protocol, port in (("tcp", 1973), ("tcp", 1975))
        for prefix in ("0.0.0.0/0", "::/0")
    }
    assert rules_of(ec2, groups["balancer"]) == {("in", *each) for each in world} | {
        ("out", "tcp", port, groups["instances"]) for port in (1973, 1975, 9464)
    }
    assert rules_of(ec2, groups["instances"]) == {
        *(("in", "tcp", port, groups["balancer"]) for port in (1973, 1975, 9464)),
        *(("out", "tcp", 443, prefix) for prefix in ("0.0.0.0/0", "::/0")),
        *(("out", "tcp", 7400, prefix) for prefix in ("10.200.8.0/23", "10.200.10.0/23")),
        *(("out", "tcp", 8501, f"10.200.{8 + 2 * (index % 2)}.{10 + index}/32") for index in range(3)),
    }
    edges = {f"10.{net}.{third}.0/23" for net in (10, 20, 30) for third in (0, 2)}
    assert {each for each in rules_of(ec2, outputs["core"]["security_group"]) if each[0] == "in"} == {
        *(("in", "tcp", 7400, prefix) for prefix in edges),
        ("in", "tcp", 7402, "192.0.2.0/24"),
    }
    assert {port for edge in EDGES.values() for port in all_groups_let_in(cloud.client("ec2", edge["region"]))} == {
        1973,
        1975,
    }


def check_balancers(cloud: Cloud, outputs: dict[str, Any]) -> None:
    for region in ("eu", "us"):
        elb = cloud.client("elbv2", EDGES[region]["region"])
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        assert outputs["players_connect_to"]["regions"][region] == [balancer["DNSName"]]
        targets = {each["Port"]: each for each in elb.describe_target_groups()["TargetGroups"]}
        assert targets.keys() == {1973, 1975}
        assert {each["HealthCheckPath"] for each in targets.values()} == {"/readyz"}
        attributes = {
            port: {
                each["Key"]: each["Value"]
                for each in elb.describe_target_group_attributes(TargetGroupArn=target["TargetGroupArn"])["Attributes"]
            }
            for port, target in targets.items()
        }
        assert attributes[1973]["proxy_protocol_v2.enabled"] == "true"
        assert attributes[1973]["preserve_client_ip.enabled"] == "false"  # edges take the header from the balancer only
        assert attributes[1975].get("proxy_protocol_v2.enabled", "false") == "false"
        assert 'proxy_from = ["10.' in outputs["settings"][region]


def check_names(cloud: Cloud, zone: str, edges: dict[str, dict[str, Any]]) -> None:
    records = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    nearest = [each for each in records if each["Name"] == "play.example.com."]
    expected = {
        (name, edge["region"], kind)
        for name, edge in edges.items()
        for kind in (("A", "AAAA") if edge.get("entry") != "addresses" else ("A",))
    }
    assert {(each["SetIdentifier"], each["Region"], each["Type"]) for each in nearest} == expected
    checks = {each["Id"] for each in cloud.client("route53").list_health_checks()["HealthChecks"]}
    assert {each["HealthCheckId"] for each in nearest} <= checks


def check_groups(cloud: Cloud, edges: dict[str, dict[str, Any]]) -> None:
    for name, edge in edges.items():
        scaling = cloud.client("autoscaling", edge["region"])
        groups = {
            each["AutoScalingGroupName"]: each for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        }
        group = groups[f"tidegate-edge-{name}"]
        assert (group["MinSize"], group["MaxSize"]) == (edge.get("min", 1), edge.get("max", 4))
        assert len(group["Instances"]) >= edge.get("min", 1)
        policies = scaling.describe_policies(AutoScalingGroupName=group["AutoScalingGroupName"])["ScalingPolicies"]
        tracked = {each["PolicyName"].rpartition("-")[2]: each["TargetTrackingConfiguration"] for each in policies}
        assert tracked["cpu"]["PredefinedMetricSpecification"]["PredefinedMetricType"] == "ASGAverageCPUUtilization"
        metric = tracked["sessions"]["CustomizedMetricSpecification"]
        assert (metric["Namespace"], metric["MetricName"], tracked["sessions"]["TargetValue"]) == (
            "Tidegate",
            "Sessions",
            2000.0,
        )


def refreshed(cloud: Cloud, edges: dict[str, dict[str, Any]]) -> set[str]:
    """Return the groups whose instances are to be replaced, of cores and of edges."""
    found = set()
    for region in {edge["region"] for edge in edges.values()}:
        scaling = cloud.client("autoscaling", region)
        for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
            name = group["AutoScalingGroupName"]
            refreshes = scaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
            assert all(each["Preferences"]["MinHealthyPercentage"] == 100 for each in refreshes)
            if refreshes:
                found.add(name)
    return found


def check_settings(outputs: dict[str, Any], folder: Path) -> None:
    """What instances are told to do is what the relay understands."""
    for name, text in outputs["settings"].items():
        path = folder / f"{name}.toml"
        path.write_text(
            text.replace("@NAME@", f"{name}-1").replace("@ADDRESS@", "10.0.0.9").replace("@PUBLIC@", "192.0.2.9")
        )
        settings = load_settings(path, {}, {})
        assert (settings.discovery.kind, str(settings.discovery.consul_address)) == (
            "consul",
            "consul.tidegate.internal:8501",
        )
        assert settings.http.listen == "0.0.0.0:9464"
        relay = settings.core if name == "core" else settings.edge
        assert relay.region == ("eu" if name == "core" else name)
    assert outputs["settings"].keys() == {"core", *EDGES}


def make_gossip_key(cloud: Cloud, outputs: dict[str, Any], folder: Path) -> str:
    """Run the step that the outputs name, as an operator does; returns the key."""
    (step,) = [each for each in outputs["next_steps"] if "make_secret" in each]
    subprocess.run(step.split(), cwd=ROOT, env=operator_environment(folder, cloud), check=True)
    key: str = cloud.client("secretsmanager").get_secret_value(SecretId="tidegate-consul-gossip")["SecretString"]
    assert len(base64.b64decode(key)) == 32
    return key
