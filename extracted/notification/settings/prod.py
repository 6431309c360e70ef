"""notification in production: nothing embedded, nothing defaulted that must be secret."""

from extracted.notification.host import HOST
from modules.platform.hosting.settings import production

globals().update(production(HOST))
