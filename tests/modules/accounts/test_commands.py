"""``create_admin`` and ``signing_keys`` as somebody types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from modules.accounts.models import User
from tests.modules.accounts.people import PASSWORD, customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return str(path)


def test_the_first_operator_is_made_once(
    password_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Again changes nothing, and the password is never shown."""
    for _ in range(2):
        call_command("create_admin", email="Boss@example.com", password_file=password_file)
    user = User.objects.get()
    assert (user.email, user.is_superuser) == ("boss@example.com", True)
    assert user.check_password(PASSWORD)
    shown = capsys.readouterr()
    assert "was created" in shown.out
    assert "is there already" in shown.out
    assert PASSWORD not in shown.out + shown.err


def test_the_password_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it stands in no file and no process list."""
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    call_command("create_admin", email="boss@example.com", password_stdin=True)
    assert User.objects.get().check_password(PASSWORD)


def test_a_customer_is_not_made_a_superuser_by_accident(password_file: str) -> None:
    """It fails and says why."""
    customer("boss@example.com")
    with pytest.raises(SystemExit) as failure:
        call_command("create_admin", email="boss@example.com", password_file=password_file)
    assert failure.value.code == 1
    assert not User.objects.get().is_superuser


@pytest.mark.parametrize("content", [None, "  \n"])
def test_a_missing_or_empty_password_is_a_usage_error(tmp_path: Path, content: str | None) -> None:
    """Exit code 2."""
    path = tmp_path / "nothing"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as failure:
        call_command("create_admin", email="boss@example.com", password_file=str(path))
    assert failure.value.code == 2


def test_keys_are_listed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts."""
    call_command("signing_keys", "list", "--json")
    (key,) = json.loads(capsys.readouterr().out)["keys"]
    assert key["signs"]


def test_the_key_that_signs_is_not_retired(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the way out."""
    call_command("signing_keys", "list", "--json")
    (key,) = json.loads(capsys.readouterr().out)["keys"]
    with pytest.raises(SystemExit) as failure:
        call_command("signing_keys", "retire", key["kid"])
    assert failure.value.code == 2
    assert "rotate" in capsys.readouterr().err
