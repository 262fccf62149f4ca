"""StageSets for tests: small ones built on the spot, and the corpus of realistic ones in `examples/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reconciler.api.validate import validate

EXAMPLES = Path(__file__).parent / "examples"
#: Examples in which every field is one that the controller acts on.
SUPPORTED = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if path.stem != "full-api")
ALL = [*SUPPORTED, "full-api"]


def example(name: str) -> dict[str, Any]:
    """A raw StageSet of the corpus."""
    return dict(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")))


def stage(name: str = "app", **fields: Any) -> dict[str, Any]:
    """A stage; `fields` win over what is filled in."""
    return {"name": name, "sourceRef": {"name": name}, **fields}


def stageset(**spec: Any) -> dict[str, Any]:
    """A StageSet of one stage; `spec` wins over what is filled in."""
    return {
        "apiVersion": "stages.metio.wtf/v1",
        "kind": "StageSet",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"stages": [stage()], **spec},
    }


def with_stage(**fields: Any) -> dict[str, Any]:
    """A StageSet whose only stage has these fields."""
    return stageset(stages=[stage(**fields)])


def sentences(raw: dict[str, Any], **arguments: Any) -> list[str]:
    """What `validate` says."""
    return [str(problem) for problem in validate(raw, **arguments)]
