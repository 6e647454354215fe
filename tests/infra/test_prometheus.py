"""What Prometheus is given: it scrapes every relay of compose.yaml, and asks only for what relays have."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.infra.test_compose import OURS, SERVICES, image_environment
from tests.infra.units import ROOT

FOLDER = ROOT / "infra" / "prometheus"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
(GROUP,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
RULES: list[dict[str, Any]] = GROUP["rules"]
PROMTOOL = shutil.which("promtool")


def test_every_relay_is_scraped_where_it_answers() -> None:
    port = image_environment()["TIDEGATE_HTTP_LISTEN"].rpartition(":")[2]
    (job,) = CONFIG["scrape_configs"]
    targets = [target for each in job["static_configs"] for target in each["targets"]]
    assert sorted(targets) == [f"{name}:{port}" for name in OURS]
    assert job["job_name"] == "tidegate"
    networks = [set(SERVICES[name]["networks"]) for name in (*OURS, "prometheus")]
    assert set.intersection(*networks) == {"inside"}


def test_its_files_are_mounted_where_it_looks() -> None:
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["prometheus"]["volumes"])
    assert mounted["./infra/prometheus/prometheus.yml"] == "/etc/prometheus/prometheus.yml"
    for name in CONFIG["rule_files"]:
        assert mounted[f"./infra/prometheus/{name}"] == f"/etc/prometheus/{name}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.match(r"^Tidegate[A-Z]\w+$", rule["alert"])
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(rule["annotations"]) == {"summary", "what"}
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_alert_of_the_page_is_there_and_each_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    page = (ROOT / "docs" / "deployment.md").read_text()
    assert set(re.findall(r"`(Tidegate[A-Z]\w+)`", page)) <= set(names)


def test_alerts_ask_only_for_what_relays_have() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    known = set(re.findall(r"`(tidegate_\w+)`", page))
    used = {name for rule in RULES for name in re.findall(r"\btidegate_\w+", rule["expr"])}
    assert len(used) > 10
    assert sorted(used - known) == []


def test_promtool_finds_nothing_where_it_is_installed() -> None:
    for kind, name in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        if PROMTOOL is not None:
            finished = subprocess.run(
                [PROMTOOL, "check", kind, str(FOLDER / name)], capture_output=True, text=True, check=False
            )
            assert finished.returncode == 0, finished.stderr
    assert RULES
