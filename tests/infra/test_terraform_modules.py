"""The modules' own tests, with a mocked provider, and what Terraform says of the examples before anything is made."""

import re
from pathlib import Path

import pytest

from tests.infra.cloud import ROOT, Terraform, require_terraform

FOLDER = ROOT / "infra" / "terraform"
NO_AWS = "http://127.0.0.1:1"
"""Where nobody answers: a mocked provider asks nobody."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("module", [".", "modules/edge-region", "modules/redis", "modules/steering"])
def test_a_module_s_own_tests_pass(module: str, tmp_path: Path) -> None:
    require_terraform()
    terraform = Terraform(tmp_path, module, NO_AWS)
    said = terraform.run("test")
    found = re.search(r"(\d+) passed, 0 failed", said)
    assert found, said
    runs = sum(each.read_text().count("\nrun ") for each in (FOLDER / module / "tests").glob("*.tftest.hcl"))
    assert int(found[1]) == runs


@pytest.mark.timeout(300)
def test_an_example_is_installed_as_an_operator_does_and_valid(tmp_path: Path) -> None:
    require_terraform()
    terraform = Terraform(tmp_path, "examples/three-regions", NO_AWS)
    terraform.install()
    assert "The configuration is valid" in terraform.run("validate")
    assert 'provider "registry.terraform.io/hashicorp/aws"' in (terraform.folder / ".terraform.lock.hcl").read_text()
