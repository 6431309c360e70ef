"""Makes the pictures of the documentation anew: ``python -m tests.docs.pictures``.

They are taken by the browser's tests while these do what the pictures show, so no picture shows
what does not work. Needs the Chromium that ``make debian`` installs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGES = ROOT / "docs" / "images"
TEST = "tests/extraction/dashboard/test_browser.py::test_out_and_back_by_buttons"
MOST = 200_000  # bytes of one picture


def main() -> int:
    """Exit code 0 when all were made, and none is larger than a page should load."""
    IMAGES.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", TEST],
        cwd=ROOT,
        env={**os.environ, "DASHBOARD_PICTURES": str(IMAGES)},
        check=False,
    )
    for one in sorted(IMAGES.glob("extraction-*.png")):
        print(f"{one.relative_to(ROOT)}: {one.stat().st_size:,} bytes")
    too_large = [one for one in IMAGES.glob("*.png") if one.stat().st_size > MOST]
    return done.returncode or (1 if too_large else 0)


if __name__ == "__main__":
    sys.exit(main())
