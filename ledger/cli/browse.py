"""`stagesetctl ledger`: the group. Its commands are imported when they are called."""

from __future__ import annotations

from ledger.cli.lazy import LazyGroup

group = LazyGroup(
    "ledger",
    help="Look into a ledger, beside a running controller and without disturbing it.",
    lazy={
        "ls": ("ledger.cli.ls:ls", "List the streams and how their last run ended."),
        "show": ("ledger.cli.show:show", "Show events, or one record in full."),
        "tail": ("ledger.cli.tail:tail", "Show the last events, and new ones as they come."),
    },
)
