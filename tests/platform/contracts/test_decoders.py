"""Decoders that many threads ask for at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import make_dataclass
from threading import Barrier, Thread

import msgspec

from modules.platform.contracts.codec import convert, decoder_of

TYPES, THREADS = 60, 4
FIELDS = range(20)


def test_threads_that_meet_a_type_at_once_all_decode_it() -> None:
    """In a process of its own, which would not survive it: see the module's docstring."""
    done = subprocess.run([sys.executable, "-m", __name__], timeout=60, check=False)
    assert done.returncode == 0


def test_a_decoder_is_made_once() -> None:
    """Types that are equal have the same."""
    assert decoder_of(tuple[int, ...]) is decoder_of(tuple[int, ...])
    assert decoder_of(tuple[int, ...]).decode(b"[1]") == (1,)


def _meet(number: int) -> None:
    inner = make_dataclass(f"Inner{number}", [(f"a{one}", int) for one in FIELDS], frozen=True)
    fields = [(f"x{one}", tuple[inner, ...]) for one in FIELDS]
    outer = make_dataclass(f"Outer{number}", fields, frozen=True)
    given = {f"x{one}": [{f"a{two}": two for two in FIELDS}] for one in FIELDS}
    data, gate = msgspec.json.encode(given), Barrier(THREADS)
    read: list[object] = []

    def decode(converts: bool) -> None:
        gate.wait()
        read.append(convert(given, outer) if converts else decoder_of(outer).decode(data))

    threads = [Thread(target=decode, args=(one % 2 == 0,)) for one in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [outer(**{name: (inner(**rows[0]),) for name, rows in given.items()})] * THREADS


if __name__ == "__main__":
    sys.setswitchinterval(1e-6)
    for number in range(TYPES):
        _meet(number)
