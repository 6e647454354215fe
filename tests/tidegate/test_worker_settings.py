"""The workers' settings file: there for them, whatever becomes of the temporary folder."""

import os
import stat
from pathlib import Path

from tidegate.worker_settings import WorkerSettings


def test_it_is_its_owners_and_goes_at_the_end() -> None:
    with WorkerSettings("[edge]\n") as settings:
        file = Path(settings.path)
        assert file.read_text() == "[edge]\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert settings.path == str(file)
    assert not file.exists()


def test_it_is_made_anew_where_somebody_cleaned_up() -> None:
    with WorkerSettings("[edge]\n") as settings:
        os.unlink(settings.path)
        file = Path(settings.path)
        assert file.read_text() == "[edge]\n"
    assert not file.exists()


def test_what_somebody_else_put_in_its_place_is_not_used(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[edge]\nlisten = 'elsewhere'\n")
    with WorkerSettings("[edge]\n") as settings:
        before = settings.path
        os.replace(other, before)
        assert Path(settings.path).read_text() == "[edge]\n"
    assert Path(before).exists()
    os.unlink(before)
