"""A folder that changes to another authority: what each step leaves for relays, and steps that are cut short."""

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fleet.authority import authority as authority_module
from fleet.authority import files as files_module
from fleet.authority import signers
from fleet.authority.authority import Authority, create_authority, open_authority
from fleet.authority.files import AuthorityError
from fleet.identity import Identity
from fleet.tls.certificate_files import Loaded, load
from tests.certificates import files_in

EDGE, CORE = Identity("edge", "fra-1", "eu"), Identity("core", "core-1", "eu")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    made = create_authority(tmp_path / "certs")
    for identity in (EDGE, CORE):
        made.issue(identity)
    return made


def relays(ours: Authority) -> Sequence[Loaded]:
    """What each relay would make of its folder now; raises CertificateError."""
    return [load(files_in(ours.folder_of(identity.role, identity.name)), identity.role) for identity in (EDGE, CORE)]


def test_the_three_steps(ours: Authority) -> None:
    old = ours.signers.current.name
    new = ours.begin_change().name
    assert new != old
    for loaded in relays(ours):
        assert (loaded.authority[:12], len(loaded.trusted)) == (old, 2)
    ours.renew("edge", "fra-1")
    assert relays(ours)[0].authority[:12] == old, "nobody knows that all trust the new one by now"
    assert [issued.entry.identity for issued in ours.switch()] == [EDGE, CORE]
    for loaded in relays(ours):
        assert (loaded.authority[:12], len(loaded.trusted)) == (new, 2)
    ours.issue(Identity("edge", "new", "eu"))
    assert ours.retire().name == old
    for loaded in relays(ours):
        assert (loaded.authority[:12], len(loaded.trusted)) == (new, 1)
    assert not [path.name for path in ours.folder.iterdir() if path.stem in ("next", "old")]
    again = open_authority(ours.folder)
    assert again.signers.trusted == again.signers.trusted[:1]
    assert again.signers.current.name == new
    again.begin_change()


def test_who_is_taken_back_in_the_middle_is_on_the_lists_of_both(ours: Authority) -> None:
    taken = ours.issue(Identity("edge", "lost", "eu")).entry
    ours.begin_change()
    ours.revoke("lost")
    for step in (ours.switch, ours.retire):
        assert all(int(taken.serial, 16) in loaded.revoked for loaded in relays(ours))
        step()
    assert all(int(taken.serial, 16) in loaded.revoked for loaded in relays(ours))
    assert not ours.folder_of("edge", "lost").joinpath("next").exists()


def test_who_is_taken_back_or_has_ended_gets_no_new_one(ours: Authority) -> None:
    ours.issue(Identity("edge", "lost", "eu"))
    ours.revoke("lost")
    ours.begin_change()
    assert {issued.entry.name for issued in ours.switch()} == {"fra-1", "core-1"}
    ours.retire()


def test_a_ledger_of_before_there_was_a_second(ours: Authority) -> None:
    path = ours.folder / "ledger.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["authority"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ours.begin_change()
    assert len(ours.switch()) == 2
    ours.retire()


def test_steps_out_of_order_are_refused(ours: Authority) -> None:
    with pytest.raises(AuthorityError, match="no second authority to switch to"):
        ours.switch()
    with pytest.raises(AuthorityError, match="there is no authority of before"):
        ours.retire()
    ours.begin_change()
    with pytest.raises(AuthorityError, match=r"there is a second authority already, .*; switch to it"):
        ours.begin_change()
    with pytest.raises(AuthorityError, match="there is no authority of before"):
        ours.retire()
    with pytest.raises(AuthorityError, match="0 days: a certificate is for"):
        ours.switch(0)
    signers.switch(ours.folder)  # cut short right after
    with pytest.raises(AuthorityError, match=r"edge/fra-1, core/core-1: still of the authority .*; tidegate certs"):
        ours.retire()
    ours.switch()
    with pytest.raises(AuthorityError, match="of before is still trusted; retire it first"):
        ours.begin_change()
    assert ours.switch() == [], "all are of it already"
    ours.retire()


def test_a_command_that_was_opened_before_the_switch_issues_by_the_new_one(ours: Authority) -> None:
    ours.begin_change()
    late = open_authority(ours.folder)
    ours.switch()
    assert late.issue(Identity("edge", "late", "eu")).entry.authority == ours.signers.current.name
    assert ours.retire()


class CutError(Exception):
    """The process is killed here."""


def cut_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have the process die before its next change to a file but ``count``."""
    left = [count]

    def counting(do: Callable[..., None]) -> Callable[..., None]:
        def done(*arguments: object) -> None:
            if not left[0]:
                raise CutError
            left[0] -= 1
            do(*arguments)

        return done

    for module in (signers, authority_module):
        monkeypatch.setattr(module, "write", counting(files_module.write))
    monkeypatch.setattr(signers, "remove", counting(files_module.remove))


STEPS: list[tuple[str, Callable[[Authority], object]]] = [
    ("new", Authority.begin_change),
    ("switch", Authority.switch),
    ("retire", Authority.retire),
]


MOST = {"new": 7, "switch": 25, "retire": 7}
"""How many files each step changes, in a folder of two relays."""


@pytest.mark.parametrize(("name", "count"), [(name, count) for name in MOST for count in range(MOST[name] + 1)])
def test_a_step_that_is_cut_short_anywhere_can_be_finished(
    ours: Authority, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for before, step in STEPS:
        if before == name:
            break
        step(ours)
    with monkeypatch.context() as patched:
        cut_after(patched, count)
        with contextlib.suppress(CutError):
            step(open_authority(ours.folder))
            assert count == MOST[name], "all of it was tried"
    again = open_authority(ours.folder)
    found = again.signers
    assert found.upcoming is None or found.old is None
    again.refresh()
    if name != "switch":  # there a relay's folder may be half, which it says, and goes on with what it has
        assert {len(loaded.trusted) for loaded in relays(again)} == {len(again.signers.trusted)}
    if again.signers.upcoming is None and again.signers.old is None:
        if name == "retire":
            return
        again.begin_change()
    if name != "retire":
        again.switch()
    again.retire()
    assert {loaded.authority[:12] for loaded in relays(again)} == {again.signers.current.name}
    assert sorted(path.name for path in ours.folder.glob("*.key")) == ["authority.key"]
