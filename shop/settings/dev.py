"""The shop on one's own machine: embedded servers, boundaries checked while it runs."""

from modules.platform.hosting.settings import development
from shop.host import HOST

globals().update(development(HOST))
