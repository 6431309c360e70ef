"""payment on one's own machine: embedded servers, boundaries checked while it runs."""

from extracted.payment.host import HOST
from modules.platform.hosting.settings import development

globals().update(development(HOST))
