"""The page about settings says what the models say."""

from pathlib import Path

from tidegate.settings_page import render_page
from tidegate.settings_rules import all_keys

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render_page(), "run 'make docs'"


def test_every_setting_is_on_it_and_explained() -> None:
    rows = {row.split("`")[1]: row for row in PAGE.read_text().splitlines() if row.startswith("| `")}

    assert list(rows) == list(all_keys())
    assert all(not row.endswith("|  |") for row in rows.values())
