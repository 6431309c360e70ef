"""Authorizing, against the stand-in as a real process: whatever goes wrong, one charge."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connections

from modules.payment import models
from modules.payment.asking import KEYS_KEPT
from modules.payment.contract import (
    ActionRequired,
    AmountNotPositive,
    Declined,
    OrderAlreadyPaid,
    OutcomeUnknown,
    PaymentMethodUnknown,
    PaymentState,
    ProviderUnavailable,
)
from modules.platform.contracts import deadline_in
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    eur,
    ledger,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)


def soon():
    """A deadline that the slow methods cannot meet."""
    return deadline_in(timedelta(seconds=0.4))


def test_an_accepted_card_sets_the_amount_aside(service, standin, authorize, order_id):
    """The record says so, the ledger says so, and the provider has one charge."""
    record = service.authorize(authorize())
    assert record.state is PaymentState.AUTHORIZED
    assert (record.amount, record.authorized, record.captured) == (eur(10_000), eur(10_000), eur(0))
    assert [charge["amount"] for charge in standin.charges(order_id)] == [10_000]
    assert ledger(order_id) == {"authorization": 10_000}
    assert published(order_id) == ["payment_authorized"]


def test_the_same_command_gives_the_same_record(service, standin, authorize, order_id):
    """A repeated command neither charges nor changes anything."""
    first = service.authorize(authorize())
    assert service.authorize(authorize()) == first
    assert len(standin.operations(order_id, "authorize")) == 1
    assert published(order_id) == ["payment_authorized"]


def test_a_declined_card_is_declined(service, standin, authorize, order_id):
    """Declined names the bank's reason; nothing is in the ledger; a repetition says the same."""
    for _ in range(2):
        with pytest.raises(Declined) as caught:
            service.authorize(authorize("card_declined"))
        assert caught.value.decline_code == "generic_decline"
    assert standin.charges(order_id) == []
    assert ledger(order_id) == {}
    assert published(order_id) == ["payment_declined"]


def test_after_a_decline_another_card_may_pay(service, standin, authorize, order_id):
    """A new command after a decline is a second attempt with a payment of its own."""
    with pytest.raises(Declined):
        service.authorize(authorize("card_declined"))
    record = service.authorize(authorize("card_ok", idempotency_key="saga:authorize:2"))
    assert record.state is PaymentState.AUTHORIZED
    numbers = models.Attempt.objects.filter(order_id=order_id).values_list("attempt", flat=True)
    assert sorted(numbers) == [1, 2]


def test_an_unknown_method_is_named(service, authorize):
    """The provider's refusal of the method itself comes back as such, each time."""
    for _ in range(2):
        with pytest.raises(PaymentMethodUnknown) as caught:
            service.authorize(authorize("card_of_a_friend"))
        assert caught.value.method == "card_of_a_friend"


def test_an_unknown_provider_is_no_method(service, authorize):
    """A provider that is off or not there leaves no trace."""
    with pytest.raises(PaymentMethodUnknown):
        service.authorize(authorize(provider="stripe"))
    assert not models.Payment.objects.exists()


def test_nothing_cannot_be_paid(service, authorize):
    """An amount of zero is refused before anything is stored."""
    with pytest.raises(AmountNotPositive):
        service.authorize(authorize(amount=eur(0)))
    assert not models.Payment.objects.exists()


def test_an_answer_lost_after_the_charge_is_unknown(service, standin, authorize, order_id):
    """The charge was made and the caller is told that nobody knows."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    assert payment(order_id).state == PaymentState.UNKNOWN
    assert len(standin.charges(order_id)) == 1
    assert published(order_id) == []


def test_the_same_command_finds_the_lost_charge(service, standin, authorize, order_id):
    """However often it is repeated, the provider charges once."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    for _ in range(3):
        assert service.authorize(authorize("card_timeout")).state is PaymentState.AUTHORIZED
    assert len(standin.operations(order_id, "authorize")) == 1
    assert_ledger_equals_totals(order_id)
    assert published(order_id) == ["payment_authorized"]


@pytest.mark.parametrize("kind", ["reset", "error_after", "drop", "error", "unavailable"])
def test_a_broken_call_never_charges_twice(kind, service, standin, authorize, order_id):
    """Done or not, whatever the provider's failure: repeated, it ends in one charge."""
    standin.faults("authorize", kind, times=2)
    for _ in range(3):
        try:
            record = service.authorize(authorize())
        except (OutcomeUnknown, ProviderUnavailable):
            continue
    assert record.state is PaymentState.AUTHORIZED
    assert len(standin.operations(order_id, "authorize")) == 1


@pytest.mark.parametrize("kind", ["hold", "reset", "error", "unavailable"])
def test_a_provider_that_cannot_say_what_it_has_is_asked_anew(
    kind, service, standin, authorize, order_id
):
    """With the same key, which it knows: the answer is that of the first time."""
    standin.faults("list", kind, times=9)
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    standin.faults("authorize", "slow", seconds=0.1)  # in place of the method's own fault
    with deadline_in(timedelta(seconds=2)):
        assert service.authorize(authorize("card_timeout")).state is PaymentState.AUTHORIZED
    assert len(standin.operations(order_id, "authorize")) == 1


def test_a_key_that_may_be_forgotten_is_not_used_again(service, standin, authorize, order_id):
    """After half a day only the provider's own records tell; while they do not, nobody knows."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    models.Attempt.objects.update(created_at=datetime.now(UTC) - KEYS_KEPT)
    standin.faults("list", "error")
    standin.faults("authorize", "slow", seconds=0.1)
    with pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    assert [planned["operation"] for planned in standin.ask("GET", "/faults")] == ["authorize"]
    assert service.authorize(authorize("card_timeout")).state is PaymentState.AUTHORIZED
    assert len(standin.operations(order_id, "authorize")) == 1


def test_slow_beyond_the_deadline_is_unknown(service, standin, authorize, order_id):
    """The caller's deadline ends the wait, not the provider's pace."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_slow"))
    assert standin.charges(order_id) == []  # it still thinks


def test_slow_beyond_the_deadline_ends_in_one_charge(service, standin, authorize, order_id):
    """Repeated while the provider still works on the first request, it waits for that one."""
    outcomes = []
    while PaymentState.AUTHORIZED not in outcomes:
        try:
            with soon():
                outcomes.append(service.authorize(authorize("card_slow")).state)
        except OutcomeUnknown:
            outcomes.append(None)
    assert len(outcomes) > 1
    assert len(standin.operations(order_id, "authorize")) == 1


def test_a_slow_card_within_the_deadline_pays(service, authorize):
    """Slow is not lost."""
    assert service.authorize(authorize("card_slow")).state is PaymentState.AUTHORIZED


def test_fifty_at_once_with_one_key_charge_once(service, standin, authorize, order_id):
    """All fifty get the same record; the provider was asked once."""
    start = threading.Barrier(50)

    def one(_: int):
        start.wait()
        try:
            return service.authorize(authorize())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        records = list(pool.map(one, range(50)))
    assert len({record.id for record in records}) == 1
    assert {record.state for record in records} == {PaymentState.AUTHORIZED}
    assert len(standin.operations(order_id, "authorize")) == 1
    assert models.Attempt.objects.filter(order_id=order_id).count() == 1


def test_two_commands_for_one_order_charge_once(service, standin, authorize, order_id):
    """A second command with another key is refused while the first one's payment stands."""
    first = service.authorize(authorize())
    with pytest.raises(OrderAlreadyPaid) as caught:
        service.authorize(authorize(idempotency_key="another"))
    assert caught.value.payment_id == first.id
    assert len(standin.charges(order_id)) == 1


def test_one_key_for_two_orders_is_two_payments(service, standin, authorize):
    """Keys belong to their order."""
    orders = uuid4(), uuid4()
    for order_id in orders:
        service.authorize(authorize(order_id=order_id))
    assert [len(standin.charges(order_id)) for order_id in orders] == [1, 1]


def test_an_unreachable_provider_was_asked_nothing(service, settings, authorize, order_id):
    """ProviderUnavailable is certain that no money moved; the state stays CREATED."""
    settings.STANDIN_URL = "http://127.0.0.1:9"  # nobody listens at the discard port
    with pytest.raises(ProviderUnavailable):
        service.authorize(authorize())
    assert payment(order_id).state == PaymentState.CREATED


def test_the_same_command_pays_once_the_provider_is_back(service, standin, settings, authorize):
    """What was never sent is sent by the next try."""
    settings.STANDIN_URL = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable):
        service.authorize(authorize())
    settings.STANDIN_URL = standin.url
    assert service.authorize(authorize()).state is PaymentState.AUTHORIZED


def test_a_card_that_needs_the_shopper_says_where(service, standin, authorize, order_id):
    """ActionRequired carries the bank's page; before the shopper was there nothing is held."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    assert caught.value.next_action.startswith(standin.url)
    assert ledger(order_id) == {}


def test_a_confirmed_action_authorizes(service, standin, authorize, order_id):
    """After the shopper's word the same command gives the record."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    standin.confirm(caught.value.next_action)
    assert service.authorize(authorize("card_requires_action")).state is PaymentState.AUTHORIZED
    assert payment(order_id).next_action == ""


def test_a_refused_action_declines(service, standin, authorize):
    """The shopper may say no as well."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    standin.confirm(caught.value.next_action, outcome="refuse")
    with pytest.raises(Declined):
        service.authorize(authorize("card_requires_action"))


def test_no_transaction_is_open_while_the_provider_is_asked(service, authorize, monkeypatch):
    """Locks are never held across the network."""
    from modules.payment import asking
    from modules.platform.databases import open_transaction

    seen = []
    call = asking._call

    def watched(job):
        seen.append(open_transaction())
        return call(job)

    monkeypatch.setattr(asking, "_call", watched)
    service.authorize(authorize())
    assert seen == [None]


def test_an_authorization_costs_few_statements(service, authorize, django_assert_num_queries):
    """With BEGIN and COMMIT: more would be paid on every order."""
    with django_assert_num_queries(6, using="payment"):
        service.authorize(authorize())
