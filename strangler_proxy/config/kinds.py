"""What an option may hold: names, addresses, sizes, times; and what every part is made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

# ``$(?!\n)``: the end, and no line end behind it; Python's ``$`` alone would let one pass.
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$(?!\n)",
        description="a short name: a lower-case letter, then at most 63 letters, digits, _ or -",
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^(unix:[^\s]+|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}|[^:/\s]+:[0-9]{1,5})$(?!\n)",
        description="host:port, [v6]:port or unix:/path",
    ),
]
Host = Annotated[
    str,
    Meta(
        pattern=r"^((\*\.)?[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]+\])$(?!\n)",
        description="a host name in lower case without port; *.example.org for all below it",
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Size = Annotated[int, Meta(ge=0, le=1 << 40, description="a number of bytes")]
Percent = Annotated[int, Meta(ge=0, le=100)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$(?!\n)",
        description="the name of a header field",
    ),
]
HeaderValue = Annotated[
    str,
    Meta(
        pattern=r"^[\t\x20-\x7e\x80-\xff]*$(?!\n)",
        max_length=4096,
        description="one line of Latin-1 text",
    ),
]
Method = Annotated[str, Meta(pattern=r"^[A-Z]{1,20}$(?!\n)", description="a method in upper case")]
Path = Annotated[
    str,
    Meta(
        pattern=r"^/[!-\x22$->@-~]*$(?!\n)",
        max_length=1024,
        description="a path: / and then visible ASCII without ? and #",
    ),
]
Status = Annotated[int, Meta(ge=200, le=599)]
Network = Annotated[
    str,
    Meta(
        pattern=r"^(unix:|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)$(?!\n)",
        description="a network such as 10.0.0.0/8, or unix: for who connects by a unix socket",
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$(?!\n)",
        description="an origin such as https://shop.example, in lower case, or * for all",
    ),
]
# The key that a client keeps its side by.
StickyKey = Annotated[
    str,
    Meta(
        pattern=r"^(identity|address|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})$(?!\n)",
        description="identity, address, header:NAME or cookie:NAME",
    ),
]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document: frozen, and a name that it does not know is an error."""
