from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledger import command


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return command.story(tmp_path)
