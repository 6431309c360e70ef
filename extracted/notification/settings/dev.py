"""notification on one's own machine: embedded servers, boundaries checked while it runs."""

from extracted.notification.host import HOST
from modules.platform.hosting.settings import development

globals().update(development(HOST))
