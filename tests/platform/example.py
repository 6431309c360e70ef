"""The module that the platform's tests take as their example.

It is always there: it has no host of its own to which ``strangler retire`` could give it for good.
And it has what they need: commands, events, REST, an admin, tables, and leave to be placed.
``test_example.py`` says when it is one no more.
"""

from __future__ import annotations

EXAMPLE = "inventory"
