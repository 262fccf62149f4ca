from __future__ import annotations

from pathlib import Path

import msgspec

from tests.replay import parts
from tests.replay.ledgers import command


def test_people_read_what_failed_and_why(bundle: Path) -> None:
    done = command("inspect", bundle)
    assert done.exit_code == 0
    first, why, *_ = done.stdout.splitlines()
    assert first.startswith("shop/rel/")
    assert first.endswith("  failed")
    assert why.startswith("stage one: apply: ")
    for part in ("SEQ", "TOOK", "VALID", "records of stageset/shop/rel/", "next try"):
        assert part in done.stdout
    assert "\x1b" not in done.stdout


def test_a_machine_reads_the_same(bundle: Path) -> None:
    told = msgspec.json.decode(command("inspect", "-o", "json", bundle).stdout)
    assert (told["valid"], told["outcome"], told["failed"]["operation"]) == (True, "failed", "apply")
    assert told["moments"][0]["what"] == "run.opened"
    assert told["environment"]["folds"] > 0


def test_what_is_unreadable_is_3_and_one_line(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    records = list(parts.parsed(data).records)
    records[9] = parts.with_header(records[9], stage="\x1b[31mother")
    (tmp_path / "altered").write_bytes(parts.with_records(data, records))
    (tmp_path / "cut").write_bytes(data[:-10])
    for name, says in (
        ("altered", f"INVALID at position {records[9].seq}: "),
        ("cut", ""),
        ("none", "there is no such file"),
    ):
        done = command("inspect", tmp_path / name)
        assert done.exit_code == 3, done.stderr
        assert done.stderr.startswith(f"Error: {tmp_path / name}: {says}")
        assert len(done.stderr.splitlines()) == 1
        assert "\x1b" not in done.stderr
    assert command("inspect", tmp_path).exit_code == 3
