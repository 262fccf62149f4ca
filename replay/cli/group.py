"""`stagesetctl replay`: the group. Its commands are imported when they are called."""

from __future__ import annotations

from ledger.cli.lazy import LazyGroup

group = LazyGroup(
    "replay",
    help="Take a run out of a ledger and prove that it is decided the same again.",
    lazy={
        "export": ("replay.cli.export:export", "Write a run, with all that it was decided on, into one file."),
        "inspect": ("replay.cli.inspect:inspect", "Tell what failed in a bundle and why, and what took how long."),
        "run": ("replay.cli.run:run", "Decide again on every recorded fact, and compare."),
        "fork": ("replay.cli.fork:fork", "Decide on with a change: what would have happened instead."),
        "diff": ("replay.cli.diff:diff", "Compare two runs: inputs, manifests, decisions, timings, outcome."),
        "report": ("replay.cli.report:report", "Write what happened in a run as one page for a browser."),
        "test": ("replay.cli.corpus:test", "Decide again on every bundle of a folder, for CI."),
    },
)
