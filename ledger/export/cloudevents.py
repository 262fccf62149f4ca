"""CloudEvents 1.0 in their JSON format, one a line (`application/cloudevents+json`, newline-delimited).

`id` is `<ledger>/<seq>`, `source` an URN of ledger and stream. What CloudEvents has no attribute for are extensions
whose names start with `ledger`; all of them are strings, since a CloudEvents integer ends at 2^31 - 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import msgspec

from ledger.envelope import Header
from ledger.export.record import Exported

TYPE_PREFIX = "wtf.metio.stages."

_encode = msgspec.json.Encoder().encode


def cloudevents(records: Iterable[Exported]) -> Iterator[bytes]:
    """Lines with their newline."""
    for record in records:
        yield _encode(event(record)) + b"\n"


def event(record: Exported) -> dict[str, object]:
    """One record as a CloudEvent. Attributes without a value are left out, as the specification asks for."""
    header = record.header
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{header.ledger}/{header.seq}",
        "source": f"urn:stageset:ledger:{quote(header.ledger, safe='')}:{quote(header.stream, safe='/')}",
        "type": TYPE_PREFIX + header.type,
        "subject": "/".join(part for part in (header.run, header.stage) if part),
        "time": header.at,
        **_extensions(header, record.mark),
    }
    if record.erased:
        attributes["ledgererased"] = "true"
    else:
        attributes["datacontenttype"] = "application/json"
        attributes["dataschema"] = f"urn:stageset:event:{header.type}:{header.v}"
        attributes["data"] = msgspec.Raw(record.stored.body or b"{}")
    return {name: value for name, value in attributes.items() if value != ""}


def _extensions(header: Header, mark: str) -> dict[str, str]:
    return {
        "ledgerid": header.ledger,
        "ledgerseq": str(header.seq),
        "ledgerhash": mark,
        "ledgergprev": header.gprev,
        "ledgerstream": header.stream,
        "ledgerver": str(header.ver),
        "ledgerprev": header.prev,
        "ledgerepoch": str(header.writer.epoch),
        "ledgerreplica": header.writer.replica,
        "ledgeractor": header.actor.kind,
        "ledgeractorid": header.actor.id,
        "ledgeractorhow": header.actor.how,
        "ledgerrun": header.run,
        "ledgersnapshot": header.snapshot,
        "ledgerstage": header.stage,
        "ledgerop": header.op,
        "ledgerattempt": str(header.attempt or ""),
        "ledgeroutcome": header.outcome,
        "ledgerintent": str(header.intent or ""),
        "ledgeridem": header.idem,
        "ledgerreq": header.req,
        "ledgerres": header.res,
        "ledgerstate": header.state,
        "ledgerbody": header.body,
        "ledgerblobs": " ".join(header.blobs),
    }
