"""Why a question about differences cannot be answered.

ContractError
├── NotFound
│   └── NoSuchFingerprint      no difference of the module has it
└── Invalid
    └── OutOfRange             an option says something that cannot be
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts import Invalid, NotFound


@dataclass(kw_only=True, eq=False)
class NoSuchFingerprint(NotFound):
    """Nobody has seen it, or it was removed since."""

    code = "extraction.no_such_fingerprint"
    module: str
    fingerprint: str

    def sentence(self) -> str:
        return (
            f"{self.module} has no difference {self.fingerprint}; `diff {self.module}` lists them."
        )


@dataclass(kw_only=True, eq=False)
class OutOfRange(Invalid):
    """``need`` says what can be."""

    code = "extraction.out_of_range"
    what: str
    said: str
    need: str

    def sentence(self) -> str:
        return f"{self.what} is {self.said}; it must be {self.need}."
