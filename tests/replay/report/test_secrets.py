"""Canaries: values of Secrets stand wherever a failed run can meet one, and in no report and no comparison."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from reconciler.compute.redaction import Redactor
from replay.report.page import page
from tests.replay import making
from tests.replay.failing import BACKEND, HOST, Case, Scene, played
from tests.replay.ledgers import command
from tests.replay.told import subject
from tests.simulation.manifests import NAMESPACE

VARIABLE, HEADER, PLAIN, LIVE = (f"canary-{name}-4711-äß/+=" for name in ("variable", "header", "plain", "live"))


def _secret(name: str, key: str, value: str) -> dict[str, object]:
    data = {key: base64.b64encode(value.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def _prepare(scene: Scene) -> None:
    scene.put(_secret("variables", "tier", VARIABLE))
    scene.put(_secret("hook-token", "Authorization", HEADER.encode("ascii", "ignore").decode()))
    scene.put(_secret("live", "key", LIVE))


def _break(scene: Scene) -> None:
    made = scene.config(BACKEND, "v2", tier="${tier}")
    plain = _secret("plain", "key", PLAIN)
    web = scene.deployment(outcome="fail")
    web["metadata"]["annotations"]["tier"] = "${tier}"  # type: ignore[index]
    scene.publish("v2", {"config.yaml": made, "plain.yaml": plain, "web.yaml": web})


CASE = Case(
    "canaries",
    "verify",
    "VerifyFailed",
    _break,
    prepare=_prepare,
    stage={
        "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]},
        "actions": {
            "pre": [
                {
                    "name": "announce",
                    "http": {
                        "url": f"https://{HOST}/announce",
                        "idempotent": True,
                        "headersFrom": [{"name": "hook-token", "key": "Authorization"}],
                    },
                }
            ]
        },
    },
)


@pytest.fixture(scope="module")
def bundles() -> list[bytes]:
    log = played(CASE)
    return [making.bundle(log, *one) for one in making.runs(log)][:2]


def _found(text: str) -> list[str]:
    values = (VARIABLE, HEADER.encode("ascii", "ignore").decode(), PLAIN, LIVE, "canary-")
    return [value for value in values if Redactor([value]).finds(text)]


def test_no_canary_is_in_a_report(bundles: list[bytes]) -> None:
    for data in bundles:
        shown = page(subject(data)).decode()
        assert _found(shown) == []
    assert "secret:Secret/shop/" in shown
    assert PLAIN in _found(f"x {base64.b64encode(PLAIN.encode()).decode()} x"), "the search finds what is there"


def test_no_canary_is_in_a_comparison(bundles: list[bytes], tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.stagereplay" for number in range(2)]
    for path, data in zip(paths, bundles, strict=True):
        path.write_bytes(data)
    for words in (paths, ("-o", "json", *paths)):
        done = command("diff", *words)
        assert done.exit_code == 1, done.stderr
        assert "secret:Secret/shop/" in done.stdout
        assert _found(done.stdout) == []
