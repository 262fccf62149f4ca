from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reconciler.api import decode
from reconciler.api.problems import InvalidObject
from tests.reconciler.api.objects import ALL, example, stageset


@pytest.mark.parametrize("name", ALL)
def test_bytes_and_objects_decode_alike_and_encode_to_what_was_read(name: str) -> None:
    raw = example(name)
    found = decode.stageset(msgspec.json.encode(raw))
    assert found == decode.stageset(raw)
    again = decode.stageset(msgspec.json.encode(found))
    assert again == found


def test_the_status_is_read_only_when_asked_for() -> None:
    raw = {**stageset(), "status": {"version": "1.2.3", "stages": [{"name": "app", "phase": "Ready"}]}}
    for form in (raw, msgspec.json.encode(raw)):
        assert decode.stageset(form).status.version == ""
        found = decode.stageset(form, with_status=True)
        assert (found.status.version, found.status.stages[0].phase) == ("1.2.3", "Ready")


def test_a_broken_status_does_not_matter_unless_it_is_asked_for() -> None:
    raw = {**stageset(interval=None), "status": {"version": 3}}  # the null takes the slow way
    assert decode.stageset(raw).spec.interval == ""
    assert decode.stageset(msgspec.json.encode(raw)).spec.interval == ""
    with pytest.raises(InvalidObject, match=r"^status\.version must be a string, not the number 3"):
        decode.stageset(raw, with_status=True)


@pytest.mark.parametrize("form", [lambda raw: raw, msgspec.json.encode])
def test_what_does_not_fit_is_told_completely(form: Any) -> None:
    with pytest.raises(InvalidObject) as caught:
        decode.stageset(form(stageset(interval=1, timeout=2)))
    assert [problem.path for problem in caught.value.problems] == ["spec.interval", "spec.timeout"]


def test_an_object_without_spec_is_told() -> None:
    raw = stageset()
    del raw["spec"]
    with pytest.raises(InvalidObject, match=r"^spec is required \(what should be rolled out, and how\); add it$"):
        decode.stageset(raw)


def test_what_is_no_json_is_told() -> None:
    with pytest.raises(InvalidObject, match=r"^the object is not JSON: "):
        decode.stageset(b"{")
    with pytest.raises(InvalidObject, match=r"^the object must be a map with metadata and spec$"):
        decode.stageset(b"[]")


def test_fields_of_newer_versions_are_left_out() -> None:
    assert decode.stageset(stageset(future=True)).spec.interval == ""


@pytest.mark.parametrize("form", [lambda raw: raw, msgspec.json.encode])
def test_the_head_is_read_whatever_the_spec_is(form: Any) -> None:
    raw = {"metadata": {"name": "a", "deletionTimestamp": "2006-01-02T15:04:05Z", "finalizers": ["x"]}, "spec": 3}
    found = decode.head(form(raw))
    assert found.metadata.finalizers == ("x",)
    assert found.metadata.deletion_timestamp
    with pytest.raises(InvalidObject, match=r"^metadata cannot be read: "):
        decode.head(form({"metadata": {"name": 3}}))


def test_no_dict_is_kept_per_instance() -> None:
    found = decode.stageset(example("full-api"))
    assert not hasattr(found, "__dict__")
    assert not hasattr(found.spec.stages[0], "__dict__")
