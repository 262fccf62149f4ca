"""Whatever is changed in a recording is found, at the event that was changed.

A sloppy forger changes a record and makes the manifest vouch for the file: the chain tells. A careful one makes the
whole chain anew: then the decisions tell. What a careful forger can change unseen is listed, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.envelope import Actor, Header, Stored, Writer, decode_header, digest
from ledger.events import BY_TAG, Decision, Item, Pin
from ledger.upcast import decode
from reconciler import digests
from replay.bundle.proof import prove
from replay.bundle.reading import Bundle
from replay.errors import Incompatible, Invalid, ReplayError
from replay.replayer import Verdict, replay
from tests.replay import making, parts

#: The place in the ledger as a whole is confirmed by records of other streams, which a bundle does not have.
UNSEEN = {"gprev"}
#: Made anew by the careful forger.
CHAINED = {"prev", "body"}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    log = making.failures()
    return parts.parsed(making.bundle(log, *making.failed(log)))


def _other(value: Any, name: str = "") -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if name in {"prev", "gprev", "body", "req", "res", "state", "snapshot"} or "sha256:" in value:
            return "sha256:" + ("0" * 64 if not value.endswith("0" * 64) else "1" * 64)
        case str() if name == "at":
            return value[:-4] + ("000Z" if value[-4:] != "000Z" else "001Z")
        case str() if name == "outcome":
            return "failed" if value != "failed" else "ok"
        case str():
            return value + "x"
        case Actor():
            return replace(value, id=value.id + "x")
        case Writer():
            return replace(value, epoch=value.epoch + 1)
        case Pin():
            return replace(value, url=value.url + "x")
        case [*_, _]:
            return value[:-1]
        case list():
            return [Item(id="a_b_c_D", v="v1")]
        case (*_, _):
            return value[:-1]
        case tuple():
            return ("sha256:" + "0" * 64,)
        case dict():
            return {**value, "more": 1}
        case None:
            return Item(id="a_b_c_D", v="v1")
    raise AssertionError(f"no other value for {value!r}")


def _headers(stored: Stored) -> Iterator[tuple[str, Stored]]:
    header = decode_header(stored.header)
    for name in Header.__struct_fields__:
        yield f"header.{name}", parts.with_header(stored, **{name: _other(getattr(header, name), name)})


def _bodies(stored: Stored) -> Iterator[tuple[str, Any]]:
    event: Any = decode(stored).event
    for name in event.__struct_fields__:
        if name != "type":
            yield f"body.{name}", replace(event, **{name: _other(getattr(event, name), name)})


def _is_decision(stored: Stored) -> bool:
    return issubclass(BY_TAG[decode_header(stored.header).type], Decision)


def _verdict(bundle: Bundle, records: list[Stored], head: str = "") -> Verdict:
    last = decode_header(records[-1].header)
    manifest = replace(
        bundle.manifest, records=len(records), head=head or digest(records[-1].header), last_seq=last.seq
    )
    prove(manifest, records)
    return replay(records, bundle.environment)


def _found_at(bundle: Bundle, records: list[Stored]) -> int:
    """The position that is named; 0 where the replay is content."""
    try:
        verdict = _verdict(bundle, records)
    except ReplayError as error:
        return error.seq
    return verdict.divergence.seq if verdict.divergence is not None else 0


def test_as_it_is_it_is_reproduced(bundle: Bundle) -> None:
    assert _verdict(bundle, list(bundle.records)).verdict == "REPRODUCED"
    assert len(bundle.records) > 50


def test_any_field_of_any_record_without_a_new_chain(bundle: Bundle) -> None:
    """`INVALID at position …` names the record that was changed, not its neighbour."""
    count = 0
    for place, stored in enumerate(bundle.records):
        bodies = ((name, decode_body_kept(stored, event)) for name, event in _bodies(stored))
        for name, mutated in (*_headers(stored), *bodies):
            records = [*bundle.records[:place], mutated, *bundle.records[place + 1 :]]
            with pytest.raises((Invalid, Incompatible)) as found:
                prove(bundle.manifest, records)
            assert found.value.seq == stored.seq, (name, decode_header(stored.header).type, found.value.message)
            count += 1
    print(f"{count} changes of {len(bundle.records)} records, each found at its record")


def decode_body_kept(stored: Stored, event: Any) -> Stored:
    """Another body under the header that was written."""
    return parts.with_body(stored, event)._replace(header=stored.header)


def test_any_field_of_any_decision_with_a_new_chain(bundle: Bundle) -> None:
    count = 0
    for place, stored in enumerate(bundle.records):
        if not _is_decision(stored):
            continue
        bodies = ((name, parts.with_body(stored, event)) for name, event in _bodies(stored))
        headers = ((n, s) for n, s in _headers(stored) if n.removeprefix("header.") not in UNSEEN | CHAINED)
        for name, mutated in (*headers, *bodies):
            records = parts.rechained([*bundle.records[:place], mutated, *bundle.records[place + 1 :]], since=place)
            where = _found_at(bundle, records)
            assert where == stored.seq, (name, decode_header(stored.header).type, where)
            count += 1
    print(f"{count} changes of decisions, each found at its decision")


def test_any_field_of_any_fact_with_a_new_chain(bundle: Bundle) -> None:
    """At the fact where its header contradicts it, else at what was decided on it."""
    count = 0
    for place, stored in enumerate(bundle.records):
        if _is_decision(stored):
            continue
        header = decode_header(stored.header)
        following = next((one.seq for one in bundle.records[place + 1 :] if not _is_decision(one)), 10**9)
        for name, event in _bodies(stored):
            mutated = parts.with_body(stored, event)
            records = parts.rechained([*bundle.records[:place], mutated, *bundle.records[place + 1 :]], since=place)
            where = _found_at(bundle, records)
            assert stored.seq <= where < following, (name, header.type, where)
            assert where == stored.seq or not header.res, (name, header.type, where)
            count += 1
    print(f"{count} changes of facts, each found in its append")


def test_a_fact_whose_digest_was_made_anew_is_found_by_what_was_decided_on_it(bundle: Bundle) -> None:
    """Not what decisions do not read: sizes, a server's version, words about what went well."""
    for place, stored in enumerate(bundle.records):
        header, event = decode(stored)
        if header.type != "build.finished" or header.outcome != "ok":
            continue
        for fields in ({"manifests": "sha256:" + "0" * 64}, {"objects": []}, {"variables": ["ConfigMap/x@1"]}):
            other: Any = replace(event, **fields)
            mutated = parts.with_header(parts.with_body(stored, other), res=digests.of(other))
            records = parts.rechained([*bundle.records[:place], mutated, *bundle.records[place + 1 :]], since=place)
            assert _found_at(bundle, records) == bundle.records[place + 1].seq, fields


def test_dropping_any(bundle: Bundle) -> None:
    for place in range(len(bundle.records)):
        records = [*bundle.records[:place], *bundle.records[place + 1 :]]
        with pytest.raises(Invalid) as found:
            prove(bundle.manifest, records)
        following = bundle.records[min(place + 1, len(bundle.records) - 1)]
        assert found.value.seq == following.seq


def test_dropping_the_last_decision_with_a_new_head(bundle: Bundle) -> None:
    """The fact still calls for it: it is decided now, and not recorded."""
    verdict = _verdict(bundle, list(bundle.records[:-1]))
    assert verdict.divergence is not None
    assert verdict.divergence.seq == bundle.records[-1].seq
    assert verdict.divergence.first.recorded == "nothing"


def test_adding_one(bundle: Bundle) -> None:
    last = bundle.records[-1]
    header = decode_header(last.header)
    more = parts.with_header(last, seq=header.seq + 1, ver=header.ver + 1, prev=digest(last.header))
    more = more._replace(seq=header.seq + 1)
    records = [*bundle.records, more]
    with pytest.raises(Invalid) as found:
        prove(bundle.manifest, records)
    assert found.value.seq == more.seq
    verdict = _verdict(bundle, records)
    assert verdict.divergence is not None
    assert verdict.divergence.seq == more.seq
    assert verdict.divergence.first.decided == "nothing"


def test_a_decision_that_does_not_stand_beside_its_fact(bundle: Bundle) -> None:
    """What was recorded together has positions one after the other."""
    last = bundle.records[-1]
    moved = parts.with_header(last, seq=last.seq + 1)._replace(seq=last.seq + 1)
    verdict = _verdict(bundle, [*bundle.records[:-1], moved])
    assert verdict.divergence is not None
    assert (verdict.divergence.seq, verdict.divergence.first.field) == (moved.seq, "header.seq")


def test_swapping_two(bundle: Bundle) -> None:
    for one, other in combinations(range(0, len(bundle.records), 5), 2):
        records = list(bundle.records)
        records[one], records[other] = records[other], records[one]
        with pytest.raises(Invalid) as found:
            prove(bundle.manifest, records)
        assert found.value.seq in {bundle.records[one].seq, bundle.records[other].seq}


def test_swapping_two_decisions_with_a_new_chain(bundle: Bundle) -> None:
    for place in range(len(bundle.records) - 1):
        first, second = bundle.records[place : place + 2]
        if not (_is_decision(first) and _is_decision(second)):
            continue
        one, two = decode_header(first.header), decode_header(second.header)
        swapped = [
            parts.with_header(second, seq=one.seq, ver=one.ver, prev=one.prev)._replace(seq=one.seq),
            parts.with_header(first, seq=two.seq, ver=two.ver)._replace(seq=two.seq),
        ]
        records = parts.rechained([*bundle.records[:place], *swapped, *bundle.records[place + 2 :]], since=place)
        assert _found_at(bundle, records) == first.seq
