"""A webhook's bodies and signature."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features import Event
from core.features.webhook_body import (
    DISCORD_MAX_UNITS,
    MAX_BODY_BYTES,
    MAX_FIELDS,
    MAX_TEXT_CHARACTERS,
    Format,
    escape,
    make_body,
    make_report,
    sign,
)

CHAT = Event("chat", {"text": "hello", "count": 3}, "anna", "Anna", "eu", "Moderation")


def discord(*events: Event) -> tuple[str, int]:
    body, taken = make_body("discord", [make_report(str(number), 0, each) for number, each in enumerate(events)])
    tree = json.loads(body)
    assert tree["allowed_mentions"] == {"parse": []}
    assert tree["flags"] == 4
    return tree["content"], taken


def test_json() -> None:
    body, taken = make_body("json", [make_report("a-1", 1.23456, CHAT), make_report("a-2", 2, Event("ban"))])
    assert taken == 2
    first, second = json.loads(body)["events"]
    assert first == {
        "id": "a-1",
        "kind": "chat",
        "at": 1.235,
        "account": "anna",
        "character": "Anna",
        "region": "eu",
        "feature": "Moderation",
        "fields": {"text": "hello", "count": 3},
    }
    assert (second["id"], second["fields"]) == ("a-2", {})


def test_discord() -> None:
    content, taken = discord(CHAT, Event("ban", {"value": "192.0.2.1"}), Event("login", account="bert"))
    assert taken == 3
    assert content.split("\n") == [
        "**chat** Anna \\(anna, eu\\)\\: text\\: hello, count\\: 3",
        "**ban** value\\: 192.0.2.1",
        "**login** \\(bert\\)",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold** _it_ ~~no~~ ||spoiler||", "\\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~ \\|\\|spoiler\\|\\|"),
        ("<@1234> @everyone <#7>", "\\<\\@1234\\> \\@everyone \\<\\#7\\>"),
        ("https://evil.example/x", "https\\:\\/\\/evil.example\\/x"),
        ("[name](x) `code` \\", "\\[name\\]\\(x\\) \\`code\\` \\\\"),
        ("a\nb\rc\x00d\u202ee", "a b c d e"),
        ("Zoë 海賊", "Zoë 海賊"),
    ],
)
def test_what_players_write_looks_as_they_wrote_it(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_discord_message_takes_as_many_as_fit() -> None:
    event = Event("chat", {"text": "x" * 700})
    content, taken = discord(event, event, event)
    assert taken == 2
    assert content.count("\n") == 1


def test_bodies_have_bounds() -> None:
    event = Event("chat", {f"f{number}": "海" * 5000 for number in range(100)}, account="a" * 5000)
    report = make_report("1", 0, event)
    assert len(report.event.fields) == MAX_FIELDS
    assert {len(str(value)) for value in report.event.fields.values()} == {MAX_TEXT_CHARACTERS}
    assert len(report.event.account) == MAX_TEXT_CHARACTERS
    body, taken = make_body("json", [report] * 10)
    assert 1 <= taken < 10
    assert len(body) <= MAX_BODY_BYTES


def test_what_is_no_text_or_number_is_named() -> None:
    odd = {"a": float("nan"), "b": 1 << 70, "c": b"raw", "d": None, "e": True}
    report = make_report("1", 0, Event("x", odd))  # type: ignore[arg-type] # features are not always checked
    assert report.event.fields == {"a": "(float)", "b": "(int)", "c": "(bytes)", "d": "(NoneType)", "e": True}
    make_body("json", [report])


texts = st.text(max_size=3000) | st.binary(max_size=100).map(lambda raw: raw.decode("ascii", "surrogateescape"))


@given(texts, texts, st.sampled_from(["json", "discord"]))
def test_any_text_makes_a_body_within_bounds(text: str, name: str, form: Format) -> None:
    report = make_report("1", 0, Event("chat", {"text": text, name: text}, name, name))
    body, taken = make_body(form, [report, report])
    tree = json.loads(body.decode())
    assert taken >= 1
    if form == "discord":
        content = tree["content"]
        assert len(content.encode("utf-16-le")) // 2 <= DISCORD_MAX_UNITS
        assert content.count("\n") == taken - 1
        assert (len(content) - len(content.rstrip("\\"))) % 2 == 0  # no escape is cut in two


def test_the_signature_is_what_a_receiver_reckons() -> None:
    body = b'{"events":[]}'
    expected = hmac.new(b"key", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert sign(b"key", 1_700_000_000, body) == f"sha256={expected}"
    assert sign(b"key", 1_700_000_001, body) != sign(b"key", 1_700_000_000, body)
