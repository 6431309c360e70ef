"""schema.json: written from the code, held against the code, held against the past."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from modules.platform.boundaries import snapshots
from modules.platform.contracts.schema import dump, snapshot

PATH = "modules/payment/contract/schema.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project root with the place for payment's snapshot, under git."""
    (tmp_path / PATH).parent.mkdir(parents=True)
    _git(tmp_path, "init", "--quiet")
    return tmp_path


def _git(root: Path, *arguments: str) -> None:
    identity = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.test",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True)


def _commit(root: Path) -> None:
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "-m", "a state")


def _never(*_: object) -> bool:
    return False


def test_missing_and_stale_snapshots_are_drift(root: Path) -> None:
    """CI fails until the snapshot is what the code is."""
    (missing,) = snapshots.check_drift(root, ["payment"])
    (root / PATH).write_text("{}")
    (stale,) = snapshots.check_drift(root, ["payment"])

    assert missing.rule == stale.rule == "schema-drift"
    assert missing.fact == "the contract of payment has no snapshot"
    assert stale.fact == "the contract of payment is not what its snapshot says"
    assert "manage.py modules schema --write payment" in stale.way_out


def test_written_snapshot_is_no_drift(root: Path) -> None:
    """Writing twice writes once."""
    assert snapshots.write(root, ["payment"]) == (PATH,)
    assert snapshots.write(root, ["payment"]) == ()
    assert list(snapshots.check_drift(root, ["payment"])) == []


def test_change_since_a_commit_is_told(root: Path) -> None:
    """The base is what the commit has, not what lies in the folder."""
    text = dump(snapshot("payment"))
    (root / PATH).write_text(text.replace('"order_id": "uuid"', '"order_id": "string"', 1))
    _commit(root)
    (root / PATH).write_text(text)

    found = list(snapshots.check_compatible(root, ["payment"], base="HEAD", can_upcast=_never))

    assert [one.rule for one in found] == ["contract-broken"]
    assert "order_id: its type was string and is uuid, against HEAD" in found[0].fact
    assert found[0].path == PATH


def test_contract_that_the_base_does_not_have_breaks_nobody(root: Path) -> None:
    """A new module has no old callers."""
    (root / "README").write_text("empty")
    _commit(root)

    found = snapshots.check_compatible(root, ["payment"], base="HEAD", can_upcast=_never)

    assert list(found) == []


def test_base_may_be_a_file(root: Path, tmp_path: Path) -> None:
    """A snapshot that was released with a service, say."""
    base = tmp_path / "released.json"
    base.write_text(dump(snapshot("payment")))

    found = snapshots.check_compatible(root, ["payment"], base=str(base), can_upcast=_never)

    assert list(found) == []


def test_base_that_is_neither(root: Path) -> None:
    """A mistyped branch must not pass for an empty past."""
    with pytest.raises(snapshots.NoSuchBase, match="nowhere is neither"):
        list(snapshots.check_compatible(root, ["payment"], base="nowhere", can_upcast=_never))
