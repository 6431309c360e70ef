"""The keys that sign tokens: one maker, rotation by kid, retirement."""

from __future__ import annotations

import multiprocessing
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modules.platform.keys import KeyInUse, KeyRing, NoSuchKey
from modules.platform.keys.command import changed


def test_many_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    """The first start of a shop is a race; everybody signs with the same key."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        kids = pool.map(_first_kid, [tmp_path / "keys"] * 8)
    assert len(set(kids)) == 1


def _first_kid(directory: Path) -> str:
    return KeyRing(directory).signing().kid


def test_threads_of_one_ring_make_one_key(tmp_path: Path) -> None:
    """So do threads."""
    ring = KeyRing(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert len({key.kid for key in pool.map(lambda _: ring.signing(), range(16))}) == 1


def test_keys_are_readable_to_their_owner_only(tmp_path: Path) -> None:
    """They are as secret as the sessions they make."""
    key = KeyRing(tmp_path / "keys").signing()
    mode = (tmp_path / "keys" / f"{key.kid}.pem").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_after_a_rotation_the_new_key_signs_and_the_old_one_verifies(tmp_path: Path) -> None:
    """Tokens that are out stay good."""
    ring = KeyRing(tmp_path)
    old = ring.signing()
    new = ring.rotate()
    assert ring.signing().kid == new.kid != old.kid
    assert ring.find(old.kid) is not None


def test_another_process_finds_a_new_key_by_its_kid_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of a key it does not know makes a verifier look again."""
    monkeypatch.setattr("modules.platform.keys.ring.MISS_PAUSE", 0.0)
    one, other = KeyRing(tmp_path), KeyRing(tmp_path)
    other.signing()
    kid = one.rotate().kid
    assert other.find(kid) is not None


def test_unknown_kids_do_not_read_the_disk_each_time(tmp_path: Path) -> None:
    """Made-up kids must not cost a directory listing each."""
    ring = KeyRing(tmp_path)
    ring.signing()
    looked = ring._looked
    for number in range(100):
        assert ring.find(f"made-up-{number}") is None
    assert ring._looked == looked


def test_a_retired_key_verifies_nothing(tmp_path: Path) -> None:
    """Its file is gone, its tokens are refused."""
    ring = KeyRing(tmp_path)
    old = ring.signing()
    ring.rotate()
    ring.retire(old.kid)
    assert ring.find(old.kid) is None


def test_the_signing_key_and_unknown_ones_are_not_retired(tmp_path: Path) -> None:
    """The shop never stands without a key."""
    ring = KeyRing(tmp_path)
    with pytest.raises(KeyInUse):
        ring.retire(ring.signing().kid)
    with pytest.raises(NoSuchKey):
        ring.retire("20200101T000000000000-abc123")


def test_the_command_lists_rotates_and_retires(tmp_path: Path) -> None:
    """What manage.py signing_keys and service_keys do."""
    ring = KeyRing(tmp_path)
    first = changed(ring, "list", "").keys[0]
    assert first.signs
    rotated = changed(ring, "rotate", "")
    assert [key.signs for key in rotated.keys] == [True, False]
    assert rotated.keys[1].kid == first.kid
    assert len(changed(ring, "retire", first.kid).keys) == 1
