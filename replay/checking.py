"""One file, checked: read, proved, decided again. What the command line runs in a child, and tests in their process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from ledger import instant
from ledger.envelope import Header
from replay.bundle.format import LIMITS, Limits
from replay.bundle.proof import prove
from replay.bundle.reading import Bundle, read
from replay.errors import Incomplete, Invalid, Unreadable
from replay.replayer import Verdict, replay


class Opened(NamedTuple):
    """A bundle whose records are proved, with their headers."""

    bundle: Bundle
    headers: list[Header]


def opened(file: BinaryIO, *, limits: Limits = LIMITS, blobs_bytes_max: int = 0) -> Opened:
    """Read and prove a bundle. Raises `Unreadable`, `Invalid` and `Incompatible`."""
    try:
        bundle = read(file, limits=limits, blobs_bytes_max=blobs_bytes_max)
        headers = prove(bundle.manifest, bundle.records)
    except RecursionError as error:
        raise Unreadable("something in it is nested too deep") from error
    _check_instants(headers)
    return Opened(bundle, headers)


def _check_instants(headers: Sequence[Header]) -> None:
    """The form of a time is that of the envelope; whether there is such a day nobody has asked yet."""
    for header in headers:
        try:
            instant.to_ms(header.at)
        except ValueError as error:
            raise Invalid(f"its time {header.at} is none: {error}", seq=header.seq) from error


def check(file: BinaryIO, *, until: int = 0, limits: Limits = LIMITS) -> Verdict:
    """Read, prove and replay a bundle. Raises every `ReplayError` but `Escaped` and `Withheld`."""
    return checked(opened(file, limits=limits), until=until)


def checked(opened: Opened, *, until: int = 0) -> Verdict:
    """Replay a bundle that is open. Raises `Incomplete` and `Incompatible`."""
    bundle = opened.bundle
    if until and not bundle.records[0].seq <= until <= bundle.manifest.last_seq:
        span = f"{bundle.records[0].seq} to {bundle.manifest.last_seq}"
        raise Incomplete(f"position {until} is not in the bundle: its records have positions {span}")
    return replay(bundle.records, bundle.environment, until=until)
