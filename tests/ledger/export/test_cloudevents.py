from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest

from ledger.export.cloudevents import cloudevents, event
from ledger.export.record import checked, records
from ledger.log import Selection
from ledger.sqlite_log import SqliteReader
from tests.ledger.command import hostile
from tests.ledger_demo.story import STREAM

SCHEMA = msgspec.json.decode((Path(__file__).parents[1] / "cloudevents.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def test_every_record_is_a_valid_cloudevent(ledger: Path, tmp_path: Path) -> None:
    for path in (ledger, hostile(tmp_path)):
        for line in cloudevents(records(SqliteReader(path), Selection())):
            VALIDATOR.validate(msgspec.json.decode(line))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"source": "with space"},
        {"ledgerSeq": "1"},
        {"ledger_seq": "1"},
        {"time": "yesterday"},
        {"type": None},
    ],
)
def test_the_schema_refuses_what_is_none(ledger: Path, change: dict[str, object]) -> None:
    good = msgspec.json.decode(next(cloudevents(records(SqliteReader(ledger), Selection()))))
    assert not VALIDATOR.is_valid({**good, **change})


def test_attributes_and_data(ledger: Path) -> None:
    record = next(records(SqliteReader(ledger), Selection(after=86)))
    found = msgspec.json.decode(msgspec.json.encode(event(record)))
    assert found["id"] == f"{record.header.ledger}/87"
    assert found["source"] == f"urn:stageset:ledger:{record.header.ledger}:{STREAM}"
    assert found["type"] == "wtf.metio.stages.verify.finished"
    assert found["subject"] == "checkout-33/backend"
    assert found["time"] == record.header.at
    assert (found["ledgerseq"], found["ledgerhash"], found["ledgergprev"]) == ("87", record.mark, record.header.gprev)
    assert found["data"] == msgspec.json.decode(record.stored.body or b"")
    assert found["dataschema"] == "urn:stageset:event:verify.finished:1"


def test_an_erased_body_has_no_data(ledger: Path) -> None:
    stored = next(iter(SqliteReader(ledger).read(Selection(after=86))))
    found = event(checked(stored._replace(body=None, salt=None)))
    VALIDATOR.validate(found)
    assert found["ledgererased"] == "true"
    assert not {"data", "dataschema", "datacontenttype"} & set(found)
