"""The monolith's copy goes: archived, verified, dropped; and nothing before that."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from modules.extraction.models import Capability, Receipt, Step
from modules.extraction.moves import source_of
from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.sides import Side, connect
from modules.extraction.protocol.tables import movable_tables, read_tables
from modules.extraction.retiring.restoring import restore
from modules.extraction.retiring.verifying import Unreadable, manifest_of, verify
from modules.payment.models import Payment
from modules.platform.contracts import Moved
from tests.extraction.commands import leftovers, monolith_rows, service_rows, strangler, told
from tests.extraction.protocol.shop import databases
from tests.extraction.retiring.conftest import ROWS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("extracted"),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

AT_ONCE = ("--reason", "a test", "--yes", "--after", "0")
CRASHING = """
import os
from datetime import timedelta
from pathlib import Path

import django
django.setup()
from django.conf import settings

from modules.extraction.retiring.retire import retire
from modules.extraction.steps import Ask

settings.FICUS_HOME, settings.PLACEMENT_FRONT_DOORS = Path(os.environ["TEST_HOME"]), []
print(retire(Ask(module="payment", reason="a test"), after=timedelta(0)))
"""
IN_SERVICE = """
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'ficus%'
UNION ALL SELECT count(*) FROM pg_namespace WHERE nspname = 'payment_move'
"""


def archives(home: Path) -> list[Path]:
    return sorted((home / "archives").glob("*"))


def sums(url: str, schema: str = "payment") -> dict[str, tuple[int, int, int]]:
    """Of each table count and both sums of its rows' hashes."""
    side = Side("monolith", url, schema)
    with connect(side, purpose="test") as connection:
        tables = read_tables(connection, side, movable_tables(side, connection))
        return {one.name: digest(connection, one, Range(None, None)) for one in tables}


def test_retire(tmp_path: Path) -> None:
    """Refused, killed and killed again: nothing goes before the archive is verified, each half is
    named, the command goes on, and in the end all is archived and nothing is left.
    """
    before = sums(source_of("payment").url)
    _refused_too_early(tmp_path, before)
    _refused_without_archive(tmp_path)
    _killed_with_an_archive(tmp_path)
    _killed_behind_the_drop(tmp_path)
    row = Capability.objects.get(module="payment")
    assert (row.phase, row.direction, row.percent) == ("retired", "nowhere", 100)
    _nothing_is_left()
    _archive_is_whole(tmp_path, row.epoch, before)
    _who_missed_it_is_told(row.epoch)
    _nobody_makes_the_tables_again()
    assert "possible now: nothing" in strangler("retire", "payment", *AT_ONCE)[2]


def _refused_too_early(home: Path, before: dict[str, tuple[int, int, int]]) -> None:
    """It must have been the service's for a week; a dry run says how much it is, and where."""
    code, report = told("retire", "payment", "--reason", "too early", "--yes")
    assert code == 1
    assert [one["name"] for one in report["guards"] if not one["passes"]] == ["extracted for"]
    code, looked = told("retire", "payment", "--dry-run", "--after", "0")
    assert (code, looked["did"], archives(home)) == (0, [], [])
    assert f"archive {sum(one[0] for one in before.values())} rows" in looked["would"][0]


def _refused_without_archive(home: Path) -> None:
    """A disk that does not take it: one line, and all is as before."""
    (home / "archives").write_text("a file where the folder should be")
    code, out, err = strangler("retire", "payment", *AT_ONCE)
    (home / "archives").unlink()
    assert (code, out) == (1, "")
    assert "nothing is dropped, because the archive cannot be written" in err
    assert Capability.objects.get(module="payment").phase == "extracted"
    assert monolith_rows("SELECT count(*) FROM payment_payment") == [(ROWS,)]


def _killed_with_an_archive(home: Path) -> None:
    """Nothing is dropped; the archive that nobody has signed is removed by the next try."""
    _killed(home, "archive.named")
    assert monolith_rows("SELECT count(*) FROM payment_payment") == [(ROWS,)]
    assert any("archives that nobody has signed" in fact for fact in _faults())


def _killed_behind_the_drop(home: Path) -> None:
    """The command goes on where it was killed; doctor writes down what is so."""
    _killed(home, "monolith.dropped")
    assert any("the monolith's copy is dropped" in fact for fact in _faults())
    _killed(home, "service.released")
    assert any("written down is extracted" in fact for fact in _faults())
    assert told("doctor", "payment", "--reason", "a test")[0] == 0
    assert _faults() == []
    [archive] = (home / "archives").glob("*.tar")
    assert manifest_of(archive).rows >= ROWS


def _faults() -> list[str]:
    return [one["fact"] for one in told("doctor", "payment", "--dry-run")[1]["faults"]]


def _nothing_is_left() -> None:
    """Neither table nor guard nor stream, on either side; the service's rows and sequences are."""
    assert leftovers() == []
    here = "SELECT count(*) FROM pg_class WHERE relnamespace = 'payment'::regnamespace"
    assert monolith_rows(f"{here} AND relkind IN ('r', 'p', 'S', 'v')") == [(1,)]
    assert monolith_rows("SELECT count(*) FROM payment.retired") == [(1,)]
    assert set(service_rows(IN_SERVICE)) == {(0,)}
    assert service_rows("UPDATE payment_payment SET email = 'x' RETURNING 1") == [(1,)] * ROWS


def _archive_is_whole(home: Path, epoch: int, before: dict[str, tuple[int, int, int]]) -> None:
    """Its checksum is in the signed receipt; restored into an empty database it is what it was."""
    archive, digest_file = archives(home)
    whole = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert digest_file.read_text() == f"{whole}  {archive.name}\n"
    assert (archive.stat().st_mode & 0o077, archive.parent.stat().st_mode & 0o077) == (0, 0)
    receipt = Receipt.objects.get(kind="retire")
    assert (receipt.epoch, receipt.body["sha256"]) == (epoch, whole)
    assert receipt.body["archive"] == archive.name
    assert told("log", "payment", "--receipts")[0] == 0
    steps = Step.objects.filter(verb="retire").order_by("id")
    assert [one.outcome for one in steps] == ["failed"] * 4  # all but the first were killed
    with databases(os.environ["DATABASE_URL"], "restored") as (empty,):
        found = restore(archive, empty)
        assert sums(empty) == before
        assert found.rows >= ROWS
        _a_byte_more_is_seen(archive)


def _a_byte_more_is_seen(archive: Path) -> None:
    """One changed byte of the rows, and it is not restored."""
    data = bytearray(archive.read_bytes())
    data[data.index(b"payment_payment.copy.gz") + 1024] ^= 1
    broken = archive.with_name("broken.tar")
    broken.write_bytes(data)
    with pytest.raises(Unreadable):
        verify(broken)
    broken.unlink()


def _who_missed_it_is_told(epoch: int) -> None:
    """A process that has the implementation still is sent to the service, reading or writing."""
    connections["payment"].close()
    with pytest.raises(Moved) as refused:
        Payment.objects.count()
    assert (refused.value.module, refused.value.epoch) == ("payment", epoch)


def _nobody_makes_the_tables_again() -> None:
    """``migrate``, and with it ``up``, says in one line what to do instead."""
    with pytest.raises(CommandError, match=r"payment is retired.*RETIRED_MODULES=payment"):
        call_command("migrate", database="payment", verbosity=0)


def _killed(home: Path, point: str) -> None:
    """The verb in a process of its own, which ends there as SIGKILL ends it."""
    with connections["payment"].cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
    parts = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])
    environment = {
        **os.environ,
        "DATABASE_URL": psycopg.conninfo.make_conninfo(**{**parts, "dbname": name}),
        "DJANGO_SETTINGS_MODULE": "shop.settings.test",
        "TEST_HOME": str(home),
        "FICUS_RETIRE_CRASH_AT": point,
    }
    command = [sys.executable, "-c", CRASHING]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=90, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
