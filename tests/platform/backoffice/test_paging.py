"""Lists of large tables are counted by PostgreSQL's estimate, never by a scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connections, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, isolate_apps

from modules.accounts.models import User
from modules.platform.backoffice.admin import ModuleAdmin
from modules.platform.backoffice.paging import EXACT_BELOW, EstimatingPaginator
from tests.platform.backoffice.desk import shelved

pytestmark = pytest.mark.django_db
DATABASE = "inventory"
LARGE = EXACT_BELOW + 2_000


@pytest.fixture
def pile() -> Iterator[Any]:
    """A table of the test's own: what ANALYZE notes about it goes when it is rolled back."""
    with isolate_apps():

        class Pile(models.Model):
            number = models.IntegerField()

            class Meta:
                app_label = DATABASE
                db_table = "inventory_pile"
                ordering = ("number",)

        with connections[DATABASE].schema_editor() as editor:
            editor.create_model(Pile)
        yield Pile


def put(count: int, *, analyzed: bool) -> None:
    """So many more rows, numbered from 1."""
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("INSERT INTO inventory_pile (number) SELECT generate_series(1, %s)", [count])
        if analyzed:
            cursor.execute("ANALYZE inventory_pile")


def counted(rows: Any) -> int:
    return EstimatingPaginator(rows, 50).count


def counts(queries: CaptureQueriesContext) -> list[str]:
    """The statements that count rows."""
    return [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]


@pytest.mark.parametrize("rows", [0, 3, EXACT_BELOW - 2])
def test_small_table_is_counted_exactly(pile: Any, rows: int) -> None:
    """Whatever the statistics say: they are one row behind here."""
    put(rows, analyzed=True)
    put(1, analyzed=False)
    assert counted(pile.objects.all()) == rows + 1


def test_large_table_is_estimated(pile: Any) -> None:
    """By the last ANALYZE, without a COUNT; the rows since then are not in it."""
    put(LARGE, analyzed=True)
    put(500, analyzed=False)
    with CaptureQueriesContext(connections[DATABASE]) as queries:
        assert counted(pile.objects.all()) == LARGE
    assert counts(queries) == []


def test_large_table_without_statistics_is_not_scanned(pile: Any) -> None:
    """Just imported, say: the list ends early until autovacuum has seen the table."""
    put(LARGE, analyzed=False)
    with CaptureQueriesContext(connections[DATABASE]) as queries:
        assert counted(pile.objects.order_by("number")) == EXACT_BELOW
    [count] = counts(queries)
    assert f"LIMIT {EXACT_BELOW}" in count
    assert "ORDER BY" not in count


@pytest.mark.parametrize(("below", "expected"), [(8, 7), (LARGE, EXACT_BELOW)])
def test_filtered_rows_are_counted_up_to_the_limit(pile: Any, below: int, expected: int) -> None:
    """The estimate is of the whole table and says nothing about a part."""
    put(LARGE, analyzed=True)
    assert counted(pile.objects.filter(number__lt=below)) == expected


def test_list_of_a_large_table_runs_no_count(pile: Any, rf: RequestFactory) -> None:
    """Neither of what is shown nor of all there is; any page can be opened."""
    put(LARGE, analyzed=True)
    request = rf.get("/", {"p": "200"})
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    with CaptureQueriesContext(connections[DATABASE]) as queries:
        found = ModuleAdmin(pile, admin.site).get_changelist_instance(request)
        assert len(found.result_list) == 50
    assert found.result_count == LARGE
    assert counts(queries) == []


@pytest.mark.parametrize("query", ["", "?q=a", "?kind__exact=set"])
def test_page_of_a_module_counts_no_further_than_the_limit(superuser: Client, query: str) -> None:
    """Plain, searched or filtered."""
    shelved(a=5)
    with CaptureQueriesContext(connections[DATABASE]) as queries:
        assert superuser.get(f"/admin/inventory/movement/{query}").status_code == 200
    assert counts(queries)
    assert all(f"LIMIT {EXACT_BELOW}" in count for count in counts(queries))
