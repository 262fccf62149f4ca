from __future__ import annotations

from pathlib import Path

import click
import pytest

from ledger.envelope import digest
from replay.cli.opening import recording
from replay.errors import Incompatible, Invalid, Unreadable
from tests.replay import parts


def test_a_recording_has_its_runs_and_their_manifests(bundle: Path) -> None:
    found = recording(bundle)
    assert found.run is found.runs[-1]
    assert found.run.id == found.bundle.manifest.run
    assert set(found.run.built.values()) <= found.manifests.found.keys()
    side = found.side(found.run)
    assert {one.header.run for one in side.records} == {found.run.id}
    with pytest.raises(click.BadParameter, match="no run of the bundle is called x"):
        found.named("x")
    assert recording(bundle, with_manifests=False).manifests.found == {}


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unreadable, match="no such file"):
            recording(path)


def test_an_event_of_tomorrow(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    records = list(parts.parsed(data).records)
    records[-1] = parts.with_header(records[-1], type="of.tomorrow")
    path = tmp_path / "newer"
    path.write_bytes(parts.with_records(data, records, head=digest(records[-1].header)))
    with pytest.raises(Incompatible, match="newer stagesetctl"):
        recording(path)


def test_a_day_that_there_is_not(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    records = list(parts.parsed(data).records)
    records[-1] = parts.with_header(records[-1], at="2030-02-31T00:00:00.000Z")
    path = tmp_path / "never"
    path.write_bytes(parts.with_records(data, records, head=digest(records[-1].header)))
    with pytest.raises(Invalid, match="2030-02-31"):
        recording(path)
