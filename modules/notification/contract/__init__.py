"""All that other modules may import of notification."""

from modules.notification.contract.commands import SendMessage
from modules.notification.contract.errors import (
    CannotSwitchOff,
    ContactUnknown,
    EndpointNotFound,
    EndpointRefused,
    LinkInvalid,
    MessageNotFound,
    NotificationError,
    NotRetryable,
    TemplateExists,
    TemplateInvalid,
    TemplateNotFound,
    TemplateUnknown,
)
from modules.notification.contract.events import MessageFailed, MessageSent
from modules.notification.contract.port import Notification
from modules.notification.contract.types import (
    Category,
    Channel,
    Message,
    MessageState,
    Variable,
)

__all__ = [
    "CannotSwitchOff",
    "Category",
    "Channel",
    "ContactUnknown",
    "EndpointNotFound",
    "EndpointRefused",
    "LinkInvalid",
    "Message",
    "MessageFailed",
    "MessageNotFound",
    "MessageSent",
    "MessageState",
    "NotRetryable",
    "Notification",
    "NotificationError",
    "SendMessage",
    "TemplateExists",
    "TemplateInvalid",
    "TemplateNotFound",
    "TemplateUnknown",
    "Variable",
]
