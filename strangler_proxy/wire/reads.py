"""What the next bytes of a connection are, a client's or an upstream's."""

from __future__ import annotations

from typing import Final


class Reads:
    """Plain numbers: they are compared for every piece that comes."""

    IDLE: Final = 0  # nothing: nobody has asked this upstream
    HEAD: Final = 1
    LENGTH: Final = 2  # of a body that is announced by its length
    CHUNKED: Final = 3
    TO_END: Final = 4  # of a body that ends with the connection
    WAIT: Final = 5  # a client's next request, sent before its turn
    TUNNEL: Final = 6
    LINGER: Final = 7  # what nobody wants any more
    CLOSED: Final = 8
