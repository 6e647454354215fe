"""The texts people see when a process does not start."""

from tidegate.errors import Mistake, SettingsError, StartError


def test_a_mistake_leaves_out_what_it_does_not_have() -> None:
    assert str(Mistake("tidegate.toml:3", "edge.listen", "is wrong")) == "tidegate.toml:3: edge.listen: is wrong"
    assert str(Mistake("tidegate.toml", "", "cannot be read")) == "tidegate.toml: cannot be read"


def test_the_text_has_a_line_for_each_mistake() -> None:
    error = SettingsError([Mistake("a", "b", "c"), Mistake("d", "e", "f")])

    assert str(error) == "2 mistakes in the settings:\n  a: b: c\n  d: e: f"
    assert str(SettingsError(error.mistakes[:1])).startswith("1 mistake in")
    assert isinstance(error, StartError)
    assert error.code == "settings"
