"""The shop under test: real servers, everything that can be checked is checked."""

from modules.platform.hosting.settings import testing
from shop.host import HOST

globals().update(testing(HOST))
