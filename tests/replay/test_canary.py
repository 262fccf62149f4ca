"""Unique secrets, planted wherever one can stand, are nowhere afterwards: DESIGN I8."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from ledger.sqlite_log import SqliteReader
from replay.bundle.export import Options, Wanted, export
from replay.checking import check
from tests.replay import canaries, making, parts
from tests.replay.canaries import CANARIES, found
from tests.replay.ledgers import command


def test_what_is_looked_for_is_found() -> None:
    for name, value in CANARIES.items():
        for pad in range(3):
            text = base64.b64encode(b"-" * pad + value.encode() + b"-" * 5).decode()
            assert found(f"a {text} b") == [name]
        for text in (value, quote(value, safe=""), value.encode().hex()):
            assert found(f"a {text} b") == [name]
    assert found("a canary") == []


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose runs have failed in every way, and what else there was to be seen, checked."""
    folder = tmp_path_factory.mktemp("canary")
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = records.append  # type: ignore[method-assign]
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        world, metrics = canaries.lived(folder)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    try:
        leaks = {
            place: names for place, text in canaries.places(world, metrics, records, folder) if (names := found(text))
        }
        reasons = {name: world.ready(name)[2] for name in canaries.STAGESETS}
    finally:
        world.log.close()
    assert leaks == {}, "\n\n".join(f"{place}: {names}" for place, names in leaks.items())
    # They were there to be found: what others said of them was taken out.
    for name in ("variable", "plain", "generated", "job"):
        assert "[redacted]" in reasons[name], reasons
    assert "500" in reasons["hook"]
    assert "404" in reasons["url"]
    return folder


def test_nothing_of_them_is_in_ledger_status_events_metrics_or_logs(lived: Path) -> None:
    assert (lived / "ledger.db").is_file()


def test_artifacts_in_the_ledger_hold_what_tenants_spelled_out_and_nothing_else(lived: Path) -> None:
    reader = SqliteReader(lived / "ledger.db")
    spelled = set()
    for digest in reader.blobs.digests():
        data = reader.blobs.get(digest)
        if data.startswith(b"\x1f\x8b"):
            spelled |= {name for text in canaries.inside(data) for name in found(text)}
        else:
            assert found(data.decode()) == []
    reader.close()
    assert spelled == {"string-data", "data", "annotation", "generated"}


@pytest.mark.parametrize("with_logs", [False, True])
def test_nothing_of_them_is_in_any_bundle(lived: Path, with_logs: bool) -> None:
    reader = SqliteReader(lived / "ledger.db")
    derived, said = 0, b""
    for stream, run in making.runs(reader):
        data = b"".join(export(reader, Wanted(stream, run), Options(with_logs=with_logs)))
        for name, content in parts.members(data).items():
            texts = canaries.inside(content) if content.startswith(b"\x1f\x8b") else [content.decode()]
            assert [found(text) for text in texts] == [[] for _ in texts], name
        derived += len(parts.parsed(data).manifest.derived)
        said += parts.members(data)["events.jsonl"]
        assert check(making.opened(data)).verdict == "REPRODUCED"
    reader.close()
    assert derived >= 2
    assert (b"connecting with [redacted]" in said) == with_logs


@pytest.mark.slow
def test_nothing_of_them_is_on_any_page(lived: Path, tmp_path: Path) -> None:
    reader = SqliteReader(lived / "ledger.db")
    path, page = tmp_path / "one.stagereplay", tmp_path / "page.html"
    for stream, run in making.runs(reader):
        path.write_bytes(b"".join(export(reader, Wanted(stream, run), Options(with_logs=True))))
        for words in (("inspect", path), ("inspect", "-o", "json", path), ("report", "-o", page, path), ("run", path)):
            done = command(*words)
            assert done.exit_code == 0, done.output
            assert found(done.output) == []
        assert found(page.read_text()) == []
    reader.close()
