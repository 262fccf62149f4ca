from __future__ import annotations

import io
import json
from typing import Any

import pytest

from replay import payloads
from replay.checking import opened
from replay.errors import Unreadable
from replay.payloads import manifests
from replay.runs import runs
from tests.replay import making, parts
from tests.replay.told import last_failed, records_of


@pytest.fixture(scope="module")
def data() -> bytes:
    log = making.failures()
    return making.bundle(log, *last_failed(log))


def _asked(data: bytes, wanted: set[str] | None = None) -> payloads.Manifests:
    bundle = opened(io.BytesIO(data)).bundle
    built = runs(records_of(data))[-1].built.values()
    return manifests(io.BytesIO(data), bundle.manifest, set(built) if wanted is None else wanted)


def test_the_manifests_of_the_run_are_there(data: bytes) -> None:
    found = _asked(data)
    assert found.withheld == {}
    assert [obj["kind"] for objects in found.found.values() for obj in objects] == ["ConfigMap"]


def test_what_is_not_there_is_said(data: bytes) -> None:
    digest = "sha256:" + "0" * 64
    assert _asked(data, {digest}) == payloads.Manifests({}, {digest: "it is not in the bundle"})


def test_an_artifact_is_no_manifests(data: bytes) -> None:
    names = [name.removeprefix("blobs/").replace("-", ":", 1) for name in parts.members(data) if "blobs/" in name]
    found = _asked(data, set(names))
    assert set(found.withheld.values()) == {"it is not the JSON list of objects that a build records"}


def test_what_is_too_large_is_left(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "ONE_BYTES_MAX", 20)
    (why,) = _asked(data).withheld.values()
    assert "more than is shown" in why


def test_all_together_are_not_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    log = making.failures()
    data = making.bundle(log, *list(making.runs(log))[4])
    sizes = [len(json.dumps(one, separators=(",", ":"))) for one in _asked(data).found.values()]
    assert len(sizes) == 2
    monkeypatch.setattr(payloads, "ALL_BYTES_MAX", sum(sizes) - 1)
    found = _asked(data)
    assert (len(found.found), len(found.withheld)) == (1, 1)


def test_a_file_that_changed_in_between(data: bytes) -> None:
    manifest = opened(io.BytesIO(data)).bundle.manifest
    built = set(runs(records_of(data))[-1].built.values())
    found: dict[str, Any] = dict(parts.members(data))
    name = next(name for name in found if name.replace("-", ":", 1).removeprefix("blobs/") in built)
    found[name] = b"x" * len(found[name])
    with pytest.raises(Unreadable, match="changed while it was read"):
        manifests(io.BytesIO(parts.packed(found.items())), manifest, built)
