"""The modules as files: their format, their layout, and what they list."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from games.registry import pack_names
from tests.infra.cloud import ROOT, require_terraform
from tidegate.fleet_plan import AWS_REGIONS

FOLDER = ROOT / "infra" / "terraform"
MODULES = [FOLDER, *sorted(each for each in (FOLDER / "modules").iterdir() if each.is_dir())]
EXAMPLES = sorted(each for each in (FOLDER / "examples").iterdir() if each.is_dir())
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


@each_module
def test_a_module_has_the_standard_layout(module: Path) -> None:
    files = {each.name for each in module.iterdir()}
    assert {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"} <= files


@each_module
def test_a_module_has_no_provider_of_its_own_and_explains_its_ends(module: Path) -> None:
    text = "\n".join(each.read_text() for each in sorted(module.glob("*.tf")))
    assert not re.search(r'^provider "', text, re.MULTILINE)
    ends = re.findall(r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    assert ends
    assert [name for name, body in ends if not re.match(r"\s*description\s+= ", body)] == []


def test_files_are_formatted() -> None:
    program = shutil.which("terraform")
    if program is None:
        require_terraform()
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", str(FOLDER)],
        env={"PATH": str(Path(program or "").parent), "CHECKPOINT_DISABLE": "1", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_region_that_has_an_alias_has_a_block_and_is_planned_for() -> None:
    aliases = re.findall(r"aws\.([a-z0-9_]+),", (FOLDER / "versions.tf").read_text())
    regions = tuple(each.replace("_", "-") for each in aliases)
    assert regions == AWS_REGIONS
    blocks = (FOLDER / "regions.tf").read_text()
    named = (FOLDER / "variables.tf").read_text()
    for alias, region in zip(aliases, regions, strict=True):
        (block,) = re.findall(rf'^module "edge_{alias}" {{\n.*?^}}', blocks, re.MULTILINE | re.DOTALL)
        assert f'if edge.region == "{region}"' in block
        assert f"providers = {{ aws = aws.{alias}, aws.core = aws }}" in block
        assert re.search(rf"^\s*module\.edge_{alias},$", blocks, re.MULTILINE)
        assert f'"{region}"' in named
        for example in EXAMPLES:
            assert re.search(rf"^\s*aws\.{alias}\s+= aws", (example / "main.tf").read_text(), re.MULTILINE)


def test_games_are_those_there_are() -> None:
    (listed,) = re.findall(r"contains\(\[([^\]]*)\], var\.game\.name\)", (FOLDER / "variables.tf").read_text())
    assert tuple(re.findall(r'"(\w+)"', listed)) == pack_names()


def test_scripts_are_bash() -> None:
    scripts = [*(FOLDER / "scripts").iterdir(), *(FOLDER / "modules").glob("cloud-init/scripts/*")]
    assert len(scripts) >= 7
    for each in scripts:
        subprocess.run(["bash", "-n", str(each)], check=True)
        assert each.name == "lib" or each.read_text().startswith("#!/bin/bash\n")
