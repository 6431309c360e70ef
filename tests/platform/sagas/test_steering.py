"""What a person does with a manual step: over the use cases and over the admin's pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from modules.accounts.models import User
from modules.platform.contracts import ContractError
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.sagas import steering, store
from modules.platform.sagas.running import run, run_inline
from modules.platform.sagas.saga import Saga, Status, StepState
from tests.platform.sagas.toy import MODULE, Agency, Clock, NoRoom, Phase, begin

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stuck(agency: Agency, clock: Clock, carrier: InlineCarrier) -> Saga:
    """A saga whose third step is left to a person."""
    agency.fail("hotel", NoRoom())
    agency.always["cancel"] = NoRoom()
    saga = begin(clock=clock)
    run_inline(MODULE, saga, within=timedelta(minutes=1), clock=clock)
    for _ in range(6):
        clock.forward(minutes=1)
        run(MODULE, saga.id, clock=clock)
    return standing(saga)


def standing(saga: Saga) -> Saga:
    found = store.load(MODULE, saga.id)
    assert found is not None
    return found


def test_retried_step_is_carried_out_again(agency: Agency, stuck: Saga, clock: Clock) -> None:
    """A worker is sent at once."""
    agency.always.clear()
    steering.retry(MODULE, stuck.id, 3, reason="it works now", clock=clock)
    run(MODULE, stuck.id, clock=clock)
    after = standing(stuck)
    assert (after.status, after.state.phase) == (Status.DONE, Phase.FAILED)


@pytest.mark.parametrize(
    ("steer", "state"),
    [(steering.mark_done, StepState.DONE), (steering.skip, StepState.SKIPPED)],
)
def test_settled_step_lets_the_saga_go_on(
    stuck: Saga, clock: Clock, steer: Callable[..., Saga], state: StepState
) -> None:
    """With who did it and why on the step."""
    after = steer(MODULE, stuck.id, 3, reason="refunded at the bank", clock=clock)
    assert (after.status, after.state.phase) == (Status.DONE, Phase.FAILED)
    step = standing(stuck).steps[2]
    assert step.state is state
    assert "refunded at the bank" in step.note


@pytest.mark.parametrize("number", [0, 4])
def test_step_that_is_not_there_cannot_be_steered(stuck: Saga, number: int) -> None:
    """Nor a saga."""
    with pytest.raises(steering.NoSuchStep):
        steering.retry(MODULE, stuck.id, number, reason="x")
    with pytest.raises(steering.NoSuchStep):
        steering.retry(MODULE, uuid4(), 1, reason="x")


def test_only_a_manual_step_can_be_steered(stuck: Saga) -> None:
    """A done one is history."""
    with pytest.raises(steering.NotManual) as error:
        steering.skip(MODULE, stuck.id, 1, reason="x")
    assert "Step 1 is done" in str(error.value)
    assert isinstance(error.value, ContractError)


def operator(*permissions: str) -> Client:
    user = User.objects.create_user("op@example.com", "pw", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_list_shows_what_is_not_done(stuck: Saga, agency: Agency, clock: Clock) -> None:
    """Over all modules; filtered by status and by what it is about."""
    client = operator("view_sagarow")
    url = "/admin/sagas/sagarow/"
    assert str(stuck.id) in client.get(url).content.decode()
    for query, shown in [
        ("?status=manual", True),
        ("?status=done", False),
        ("?status=running", False),
        (f"?subject={stuck.id}", True),
        ("?subject=nobody", False),
        ("?module=accounts", True),
        ("?module=nowhere", False),
    ]:
        page = client.get(url + query).content.decode()
        assert (f"{stuck.id}/" in page) is shown, query


def test_page_of_a_saga_shows_its_steps(stuck: Saga) -> None:
    """With the error of each; without permission to steer there are no buttons."""
    page = operator("view_sagarow").get(f"/admin/sagas/sagarow/{MODULE}/{stuck.id}/")
    text = page.content.decode()
    assert "toy.no_room" in text
    assert "hotel" in text
    assert 'name="verb"' not in text


def test_operator_settles_a_step_with_a_reason(stuck: Saga) -> None:
    """An audit row is left."""
    client = operator("view_sagarow", "change_sagarow")
    url = f"/admin/sagas/sagarow/{MODULE}/{stuck.id}/"
    assert 'name="verb"' in client.get(url).content.decode()
    client.post(url, {"step": "3", "verb": "mark_done", "reason": ""})
    assert standing(stuck).status is Status.MANUAL
    client.post(url, {"step": "3", "verb": "mark_done", "reason": "done by phone"})
    assert standing(stuck).status is Status.DONE
    assert "done by phone" in LogEntry.objects.get().change_message
    client.post(url, {"step": "3", "verb": "skip", "reason": "twice"})
    assert LogEntry.objects.count() == 1


def test_without_permission_nobody_looks_or_steers(stuck: Saga) -> None:
    """403."""
    viewer, stranger = operator("view_sagarow"), Client()
    url = f"/admin/sagas/sagarow/{MODULE}/{stuck.id}/"
    assert viewer.post(url, {"step": "3", "verb": "skip", "reason": "why"}).status_code == 403
    assert stranger.get(url).status_code == 302
    User.objects.all().delete()
    nobody = operator()
    assert nobody.get(url).status_code == 403
    assert nobody.get("/admin/sagas/sagarow/").status_code == 403


def test_unknown_saga_is_404(stuck: Saga) -> None:
    """Also one of a module that is not here."""
    client = operator("view_sagarow")
    assert client.get(f"/admin/sagas/sagarow/{MODULE}/{uuid4()}/").status_code == 404
    assert client.get(f"/admin/sagas/sagarow/nowhere/{stuck.id}/").status_code == 404
