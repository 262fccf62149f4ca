from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay import ledgers


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledgers.ledger(tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    """The last failed run of the ledger."""
    path = tmp_path / "failed.stagereplay"
    assert ledgers.command("export", "--ledger", original, "-n", "shop", "-o", path, "rel").exit_code == 0
    return path
