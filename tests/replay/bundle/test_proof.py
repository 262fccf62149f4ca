"""What the proof says of single changes is in `tests/replay/test_mutations.py`; here are the ones it does not make."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from replay.bundle.format import Shortened
from replay.bundle.proof import prove
from replay.errors import Incompatible, Invalid
from tests.replay import making, parts


def test_records_of_another_stream_or_ledger_are_refused() -> None:
    log = making.failures()
    bundle = parts.parsed(making.bundle(log, *making.failed(log)))
    for other in (replace(bundle.manifest, stream="stageset/x/y/z"), replace(bundle.manifest, ledger="x")):
        with pytest.raises(Invalid, match="it belongs to stream") as found:
            prove(other, bundle.records)
        assert found.value.seq == bundle.records[0].seq


def test_an_envelope_of_tomorrow_is_incompatible() -> None:
    log = making.failures()
    bundle = parts.parsed(making.bundle(log, *making.failed(log)))
    header = bundle.records[3].header.replace(b'"v":1', b'"v":2').replace(b'"op":', b'"of_tomorrow":1,"op":')
    records = [*bundle.records[:3], bundle.records[3]._replace(header=header), *bundle.records[4:]]
    with pytest.raises(Incompatible, match="envelope version 2") as found:
        prove(bundle.manifest, records)
    assert found.value.seq == records[3].seq
    broken = records[3]._replace(header=b"{}")
    with pytest.raises(Invalid, match="cannot be read"):
        prove(bundle.manifest, [*records[:3], broken, *records[4:]])


def test_only_a_body_that_the_manifest_calls_shortened_may_be_without_salt() -> None:
    log = making.failures()
    bundle = parts.parsed(making.bundle(log, *making.failed(log)))
    at = next(place for place, one in enumerate(bundle.records) if one.body is not None)
    given = bundle.records[at]
    shorter = [*bundle.records[:at], given._replace(body=b"{}", salt=None), *bundle.records[at + 1 :]]
    with pytest.raises(Invalid, match="the salt of its body is gone"):
        prove(bundle.manifest, shorter)
    named = replace(bundle.manifest, shortened=(Shortened(seq=given.seq, fields=("/evidence/log",)),))
    assert len(prove(named, shorter)) == len(shorter)
    for other in (given, given._replace(body=None, salt=None)):
        with pytest.raises(Invalid, match="the manifest calls it shortened, and it is not") as found:
            prove(named, [*bundle.records[:at], other, *bundle.records[at + 1 :]])
        assert found.value.seq == given.seq
