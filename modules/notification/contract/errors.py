"""Errors of notification.

NotificationError
├── TemplateUnknown       NotFound
├── TemplateNotFound      NotFound
├── TemplateExists        Conflict
├── TemplateInvalid       Invalid
├── MessageNotFound       NotFound
├── NotRetryable          Conflict
├── EndpointNotFound      NotFound
├── EndpointRefused       Invalid
├── CannotSwitchOff       Invalid
├── LinkInvalid           Invalid
└── ContactUnknown        Unavailable (the order's own event has not arrived yet)
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound, Unavailable


class NotificationError(ContractError):
    """Root of the module's errors."""

    code = "notification.error"


@dataclass(kw_only=True, eq=False)
class TemplateUnknown(NotificationError, NotFound):
    """There is no such template in this or the fallback locale."""

    code = "notification.template_unknown"
    template: str

    def sentence(self) -> str:
        return f"There is no message template {self.template}."


@dataclass(kw_only=True, eq=False)
class TemplateNotFound(NotificationError, NotFound):
    """No template has this id."""

    code = "notification.template_not_found"
    template_id: UUID

    def sentence(self) -> str:
        return f"There is no template {self.template_id}."


@dataclass(kw_only=True, eq=False)
class TemplateExists(NotificationError, Conflict):
    """There is one of this name, channel and locale already."""

    code = "notification.template_exists"
    template: str
    channel: str
    locale: str

    def sentence(self) -> str:
        return f"There is a template {self.template} for {self.channel} in {self.locale} already."


@dataclass(kw_only=True, eq=False)
class TemplateInvalid(NotificationError, Invalid):
    """The template cannot be read, or uses what templates may not use. ``part`` names where."""

    code = "notification.template_invalid"
    part: str
    reason: str

    def sentence(self) -> str:
        return f"{self.part}: {self.reason}"


@dataclass(kw_only=True, eq=False)
class MessageNotFound(NotificationError, NotFound):
    """No such message, or not for this actor."""

    code = "notification.message_not_found"
    message_id: UUID

    def sentence(self) -> str:
        return f"There is no message {self.message_id}."


@dataclass(kw_only=True, eq=False)
class NotRetryable(NotificationError, Conflict):
    """Only a dead message is sent again by hand, and only while its secrets are kept."""

    code = "notification.not_retryable"
    message_id: UUID
    state: str

    def sentence(self) -> str:
        return f"Message {self.message_id} is {self.state} and cannot be queued again."


@dataclass(kw_only=True, eq=False)
class EndpointNotFound(NotificationError, NotFound):
    """No such webhook endpoint."""

    code = "notification.endpoint_not_found"
    endpoint_id: UUID

    def sentence(self) -> str:
        return f"There is no webhook endpoint {self.endpoint_id}."


@dataclass(kw_only=True, eq=False)
class EndpointRefused(NotificationError, Invalid):
    """Webhooks do not go to this address."""

    code = "notification.endpoint_refused"
    reason: str

    def sentence(self) -> str:
        return self.reason


@dataclass(kw_only=True, eq=False)
class CannotSwitchOff(NotificationError, Invalid):
    """Messages of this category are part of a sale or of the account."""

    code = "notification.cannot_switch_off"
    category: str

    def sentence(self) -> str:
        return f"{self.category} messages cannot be switched off."


class LinkInvalid(NotificationError, Invalid):
    """The token of an unsubscribe link is not one of this shop's."""

    code = "notification.link_invalid"

    def sentence(self) -> str:
        return "This link is not valid."


@dataclass(kw_only=True, eq=False)
class ContactUnknown(NotificationError, Unavailable):
    """Nobody has told yet whose order it is; its own event is on the way."""

    code = "notification.contact_unknown"
    order_id: UUID

    def sentence(self) -> str:
        return f"The e-mail address of order {self.order_id} is not known yet."
