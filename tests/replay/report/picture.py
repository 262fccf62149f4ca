"""Writes docs/images/replay-report.png again: `python -m tests.replay.report.picture`. Needs Chromium.

The picture is looked at, not compared: another browser draws other letters.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from replay.report.page import page
from tests.replay import making
from tests.replay.cases import CASES
from tests.replay.failing import played
from tests.replay.report.chromium import Chromium
from tests.replay.told import subject

PICTURE = Path(__file__).parents[3] / "docs" / "images" / "replay-report.png"
_WIDTH, _HEIGHT = 960, 1_340
#: The case of the runbook that is shown.
_SHOWN = "verify-verifyfailed"


def taken(folder: Path, data: bytes) -> bytes:
    """A PNG of the top of a bundle's report."""
    path = folder / "report.html"
    path.write_bytes(page(subject(data)))
    (folder / "profile").mkdir()
    with Chromium(folder / "profile") as browser:
        browser.resize(_WIDTH, _HEIGHT)
        browser.media()
        browser.open(path)
        return browser.screenshot()


def main() -> None:
    log = played(next(case for case in CASES if case.anchor == _SHOWN))
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shot = taken(Path(folder), making.bundle(log, *making.failed(log)))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(shot)


if __name__ == "__main__":
    main()
