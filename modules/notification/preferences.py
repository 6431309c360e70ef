"""Use cases of preferences: what an owner or an address wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from modules.notification.contract import CannotSwitchOff, Category
from modules.notification.models import Preference
from modules.notification.unsubscribing import Subscription, read_token
from modules.platform.databases import atomic


def email_holder(address: str) -> str:
    """The holder of whoever reads the mailbox."""
    return f"email:{address.lower()}"


def of(holder: str) -> dict[str, bool]:
    """Every category and whether the holder wants it."""
    rows = Preference.objects.filter(holder=holder).values_list("category", "wanted")
    return {str(category): True for category in Category} | dict(rows)


def choose(*, owner: str, wanted: Mapping[Category, bool]) -> dict[str, bool]:
    """Set the owner's preferences; what was switched off by the owner's links is on again.

    Raises CannotSwitchOff.
    """
    with atomic("notification"):
        for category, value in wanted.items():
            _refuse_transactional(category, value)
            _set(owner, category, wanted=value, owner=owner, reason="by the owner")
            if value:
                links = Preference.objects.filter(owner=owner, category=category)
                links.exclude(holder=owner).delete()
    return of(owner)


def unsubscribe(*, token: str) -> Subscription:
    """Switch off what the link is about. Raises LinkInvalid, CannotSwitchOff."""
    subject = read_token(token)
    _refuse_transactional(subject.category, False)
    with atomic("notification"):
        for holder in (email_holder(subject.email), subject.owner):
            if holder:
                _set(holder, subject.category, wanted=False, owner=subject.owner, reason="by link")
    return subject


def block(*, address: str, reason: str) -> None:
    """Send nothing at all to the address; for staff (it bounces, or its owner never asked)."""
    with atomic("notification"):
        for category in Category:
            _set(email_holder(address), category, wanted=False, owner="", reason=reason)


def unblock(*, address: str) -> None:
    """Send to the address again."""
    Preference.objects.filter(holder=email_holder(address)).delete()


def unwanted(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The (holder, category) that were switched off, of those who get (recipient, owner)."""
    holders = {name for recipient, owner in pairs for name in (email_holder(recipient), owner)}
    rows = Preference.objects.filter(holder__in=holders, wanted=False)
    return set(rows.values_list("holder", "category"))


def _refuse_transactional(category: str, wanted: bool) -> None:
    if category == Category.TRANSACTIONAL and not wanted:
        raise CannotSwitchOff(category=category)


def _set(holder: str, category: str, *, wanted: bool, owner: str, reason: str) -> None:
    Preference.objects.update_or_create(
        holder=holder,
        category=category,
        defaults={"wanted": wanted, "owner": owner, "reason": reason},
    )
