"""Generating the contracts' code: where it goes, what it imports, and that drift is found."""

import subprocess
import sys
from pathlib import Path

import pytest

GENERATE = Path(__file__).parents[2] / "protos" / "generate.py"

TIDE = 'syntax = "proto3";\npackage tidegate.tide.v1;\nmessage Tide { uint32 metres = 1; }\n'
GATE = """\
syntax = "proto3";
package tidegate.gate.v1;
import "tidegate/tide/v1/tide.proto";
service GateService { rpc Open(tidegate.tide.v1.Tide) returns (tidegate.tide.v1.Tide); }
"""


def generate(root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GENERATE), "--root", str(root), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder ``protos`` with two contracts, one of which imports the other."""
    root = tmp_path / "protos"
    for name, text in (("tide", TIDE), ("gate", GATE)):
        (root / "tidegate" / name / "v1").mkdir(parents=True)
        (root / "tidegate" / name / "v1" / f"{name}.proto").write_text(text)
    return root


def test_the_code_imports_as_a_part_of_protos(root: Path) -> None:
    finished = generate(root)
    assert finished.returncode == 0, finished.stderr

    program = (
        "import protos.tidegate.gate.v1.gate_pb2_grpc as gate\n"
        "from protos.tidegate.tide.v1.tide_pb2 import Tide\n"
        "print(Tide(metres=5).metres, gate.GateServiceStub.__name__)"
    )
    shown = subprocess.check_output([sys.executable, "-c", program], cwd=root.parent, text=True, timeout=15)
    assert shown.split() == ["5", "GateServiceStub"]


def test_what_was_generated_is_no_drift_and_is_not_written_again(root: Path) -> None:
    generate(root)

    assert generate(root, "--check").returncode == 0
    assert generate(root).stdout == ""


def test_drift_is_named(root: Path) -> None:
    generate(root)
    version = root / "tidegate" / "tide" / "v1"
    (version / "tide_pb2.py").write_text("changed")
    (version / "tide_pb2.pyi").unlink()
    (version / "old_pb2.py").touch()

    finished = generate(root, "--check")

    assert finished.returncode == 1
    folder = "protos/tidegate/tide/v1"
    assert finished.stderr.splitlines() == [
        f"{folder}/old_pb2.py has no contract any more: run 'make protos'",
        f"{folder}/tide_pb2.py has drifted: run 'make protos'",
        f"{folder}/tide_pb2.pyi is missing: run 'make protos'",
    ]
    assert (version / "tide_pb2.py").read_text() == "changed", "a check writes nothing"


def test_code_without_a_contract_is_removed(root: Path) -> None:
    old = root / "tidegate" / "tide" / "v1" / "old_pb2.py"
    old.touch()

    assert f"removed {old.relative_to(root.parent)}" in generate(root).stdout
    assert not old.exists()


def test_a_contract_that_is_wrong_fails_with_its_reason(root: Path) -> None:
    (root / "tidegate" / "tide" / "v1" / "tide.proto").write_text('syntax = "proto3"; message {')

    finished = generate(root)

    assert finished.returncode == 1
    assert "tide.proto:1:28" in finished.stderr


def test_a_folder_without_contracts_is_a_mistake(tmp_path: Path) -> None:
    assert "no contracts" in generate(tmp_path).stderr
