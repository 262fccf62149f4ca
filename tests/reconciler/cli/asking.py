"""One command line against a served cluster."""

from __future__ import annotations

import json
from typing import Any

from click.testing import Result

from tests.ledger.command import run
from tests.reconciler.cli.serving import Served


def ask(world: Served, *words: str) -> Result:
    """Run it in namespace shop; the name of the StageSet is added."""
    patience = () if "--timeout" in words else ("--timeout", "5s")
    return run(*words, *patience, "-n", "shop", "--kubeconfig", str(world.kubeconfig), "rel")


def facts(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)
