"""A webhook's target: what its settings refuse, and where its secrets come from and do not go."""

import pytest

from core.features.errors import FeatureError, Place
from core.features.loader import read_settings
from core.features.webhook_target import Target

SECRET = "keep this to yourself"
TOKEN = "token-in-the-path"


def read(given: dict[str, object]) -> Target:
    settings = read_settings(Target, given, Place("features.toml [webhook]"))
    assert isinstance(settings, Target)
    return settings


FITS: dict[str, object] = {"name": "a", "url": "https://example.com/x"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"url": f"ftp://example.com/{TOKEN}"}, "the address is none: write https://HOST/PATH"),
        ({"url": f"https://example.com:99999/{TOKEN}"}, "the address is none"),
        ({"url": f"https:///{TOKEN}"}, "the address is none"),
        ({"url": f"https://exa mple.com/{TOKEN}"}, "the address is none"),
        ({"url": f"http://example.com/{TOKEN}"}, "begins with http://"),
        ({"url": f"https://user:{TOKEN}@example.com/"}, "has a user in it"),
        ({"url_env": "THERE_IS_NO_SUCH"}, "write exactly one of url, url_file and url_env"),
        ({"url": "", "url_env": "THERE_IS_NO_SUCH"}, "url_env: THERE_IS_NO_SUCH: empty, or not there"),
        ({"url": "", "url_file": "/there/is/none"}, "url_file: /there/is/none: No such file or directory"),
        ({"secret_file": "/there/is/none"}, "secret_file: /there/is/none: No such file or directory"),
        ({"secret_file": "/dev/zero"}, "secret_file: /dev/zero: longer than 4096 bytes"),
        ({"events": ["Chat!"]}, "events.0: String should match pattern"),
        ({"events": []}, "events"),
        ({"colour": 1}, "colour: is no setting"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(FeatureError) as caught:
        read(FITS | given)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("features.toml [webhook]: ")
    assert TOKEN not in str(caught.value)


def test_secrets_are_read_from_the_environment_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", f"https://discord.com/api/webhooks/{TOKEN} ")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    chosen = read({"name": "a", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"})
    assert (chosen.address, chosen.secret) == (f"https://discord.com/api/webhooks/{TOKEN}", SECRET.encode())
    assert chosen.host == "discord.com"
    for shown in (repr(chosen), str(chosen), chosen.model_dump_json()):
        assert TOKEN not in shown
        assert SECRET not in shown
    assert "example.com" not in repr(read(FITS))
