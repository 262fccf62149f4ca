"""Bundles as the commands that look at runs open them: read, proved, decoded, with the manifests that they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from ledger.envelope import Record, Stored
from ledger.errors import UnknownEvent
from ledger.upcast import decode
from replay.bundle.reading import Bundle
from replay.checking import opened
from replay.comparing import Side
from replay.errors import Incompatible, Unreadable
from replay.payloads import NOTHING, Manifests, manifests
from replay.runs import Run, runs


class Recording(NamedTuple):
    """A bundle that was read, with the runs of its stream."""

    bundle: Bundle
    records: Sequence[Record]
    runs: Sequence[Run]
    manifests: Manifests

    @property
    def run(self) -> Run:
        """The run that the bundle was made of."""
        return self.named(self.bundle.manifest.run)

    def named(self, run: str) -> Run:
        """A run of the stream. Raises `click.BadParameter`, naming what there is."""
        found = next((one for one in self.runs if one.id == run), None)
        if found is None:
            known = ", ".join(one.id for one in self.runs[-5:])
            raise click.BadParameter(f"no run of the bundle is called {run}; its last ones are {known}")
        return found

    def side(self, run: Run) -> Side:
        """A run of the stream, to be compared."""
        return Side(run, [one for one in self.records if one.header.run == run.id], self.manifests)


def recording(path: Path, *, with_manifests: bool = True) -> Recording:
    """Read and prove a bundle. Raises what `opened` raises, each about this file."""
    if not path.is_file():
        raise Unreadable(f"{path}: there is no such file, or it is not a plain one")
    try:
        with path.open("rb") as file:
            bundle = opened(file).bundle
            records = _decoded(bundle.records)
            found = runs(records)
            wanted = {digest for run in found for digest in run.built.values()} if with_manifests else set()
            file.seek(0)
            kept = manifests(file, bundle.manifest, wanted) if wanted else NOTHING
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    return Recording(bundle, records, found, kept)


def _decoded(records: Sequence[Stored]) -> list[Record]:
    try:
        return [decode(stored) for stored in records]
    except UnknownEvent as error:
        raise Incompatible(f"{error}: use a newer stagesetctl", seq=error.seq) from error
    except RecursionError as error:
        raise Unreadable("the body of a record is nested too deep") from error
