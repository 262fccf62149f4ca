from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.api import generate

_ROOT = Path(__file__).parents[3]


def test_the_committed_files_are_up_to_date() -> None:
    assert generate.stale(_ROOT) == [], "the types changed: run make docs"


def test_files_are_written_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check", "--root", str(tmp_path)]) == 1
    assert "docs/reference/api.md does not match the types; run: make docs\n" in capsys.readouterr().err
    assert generate.main(["--write", "--root", str(tmp_path)]) == 0
    assert generate.main(["--check", "--root", str(tmp_path)]) == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == sorted(generate.files())
    with (tmp_path / "docs/reference/api.md").open("a", encoding="utf-8") as page:
        page.write("more\n")
    assert generate.stale(tmp_path) == ["docs/reference/api.md"]
