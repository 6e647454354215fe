"""What the README shows, run."""

import re
from pathlib import Path

from core.features.errors import Place
from core.features.kit import Kit
from core.features.loader import Source, load_class
from games.pko.chat import Say

README = Path(__file__).parents[1] / "README.md"


def test_the_smallest_feature_has_ten_lines_and_works(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 10
    file = tmp_path / "parrot.py"
    file.write_text(code)

    player = Kit(load_class(Source("parrot", file, {}, Place("settings")))).player()

    assert player.says(Say(text=b"hello")) == [Say(text=b"hello")]
    assert player.texts == [b"You said: hello"]


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 150
