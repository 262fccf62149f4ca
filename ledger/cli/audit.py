"""`stagesetctl audit`: the group. Its commands are imported when they are called."""

from __future__ import annotations

from ledger.cli.lazy import LazyGroup

group = LazyGroup(
    "audit",
    help="Prove that a ledger is what was written, and hand it to auditors.",
    lazy={
        "verify": ("ledger.cli.verify:verify", "Recompute both hash chains, every body and every blob."),
        "export": ("ledger.cli.export:export", "Write records as JSON lines, CSV or CloudEvents."),
    },
)
