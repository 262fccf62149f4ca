"""`stagesetctl`: the command line. Composes the command groups of the packages; each is imported when it is called.

`--help` and the offline commands start without Kubernetes, HTTP and YAML libraries.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ledger.cli.lazy import EXIT_CODES, Root

root = Root(
    "stagesetctl",
    help="Look into, prove and replay what the StageSet controller recorded, and answer it.",
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    lazy={
        "audit": ("ledger.cli.audit:group", "Prove that a ledger is what was written, and hand it to auditors."),
        "ledger": (
            "ledger.cli.browse:group",
            "Look into a ledger, beside a running controller and without disturbing it.",
        ),
        "replay": (
            "replay.cli.group:group",
            "Take a run out of a ledger and prove that it is decided the same again.",
        ),
        "resolve": ("reconciler.cli.resolve:resolve", "Answer for an action that may or may not have run."),
        "reconcile": (
            "reconciler.cli.reconcile:reconcile",
            "Ask for a run now, or for the actions of a stage once more.",
        ),
        "baseline": ("reconciler.cli.baseline:baseline", "Declare a Lifetime action as done."),
        "reset-ledger": (
            "reconciler.cli.reset_ledger:reset_ledger",
            "Make a completed Lifetime action count as not done.",
        ),
        "sandbox": (
            "reconciler.cli.sandbox:sandbox",
            "Serve a small Kubernetes API in memory, for kubectl and a controller.",
        ),
    },
)
click.version_option(package_name="stageset-controller")(root)


def main() -> None:
    """Run `stagesetctl`; called as `kubectl-stageset`, it is `kubectl stageset`."""
    called = Path(sys.argv[0]).name
    root.main(prog_name="kubectl stageset" if called.startswith("kubectl-stageset") else "stagesetctl")


if __name__ == "__main__":
    main()
