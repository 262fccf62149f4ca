"""Every file that is generated from the code, by path: written by `make docs`, compared by a test."""

from __future__ import annotations

import ast
import inspect
import typing
from pathlib import Path
from types import ModuleType

from ledger import envelope, events
from reconciler import transitions
from reconciler.api import generate
from tests.replay import cli_reference
from tests.simulation import matrix_page

ROOT = Path(__file__).parents[2]


def files() -> dict[Path, str]:
    """Path and text of each generated file."""
    found = {ROOT / path: text for path, text in generate.files().items()}
    found[ROOT / "docs/events.md"] = events_page()
    found[ROOT / "docs/state-machine.md"] = state_page()
    found[ROOT / "docs/crash-matrix.md"] = matrix_page.page()
    found[cli_reference.PAGE] = cli_reference.page()
    return found


def events_page() -> str:
    """The vocabulary of the ledger."""
    lines = [
        "# Events",
        "",
        "Generated from `ledger/events.py` and `ledger/envelope.py` by `make docs`. Tags are permanent; fields are",
        "only ever added. A **fact** came from outside, a **decision** was made by the controller. A fact is recorded",
        "in one transaction with the decisions that it caused.",
        "",
        "## Header",
        "",
        "Canonical JSON, stored verbatim, hashed as stored: `prev` and `gprev` are the SHA-256 of the header before",
        "it, in the stream and in the ledger. A field that is empty is left out.",
        "",
        "| field | type |",
        "|---|---|",
    ]
    hints = typing.get_type_hints(envelope.Header)
    lines += [f"| `{name}` | {_type(hints[name])} |" for name in envelope.Header.__struct_fields__]
    comments = _comments(events)
    for heading, base in (("Facts", events.Fact), ("Decisions", events.Decision)):
        lines += ["", f"## {heading}"]
        for tag, kind in sorted(events.BY_TAG.items()):
            if issubclass(kind, base):
                lines += _event(tag, kind, comments)
    lines += ["", "## Values"]
    for kind in (events.Pin, events.Item):
        lines += _event(kind.__name__, kind, comments)
    return "\n".join(lines) + "\n"


def _event(tag: str, kind: type, comments: dict[tuple[str, str], str]) -> list[str]:
    lines = ["", f"### `{tag}`", "", inspect.cleandoc(kind.__doc__ or "").replace("\n", " ")]
    fields = kind.__struct_fields__  # type: ignore[attr-defined]
    if fields:
        hints = typing.get_type_hints(kind)
        lines += ["", "| field | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {_type(hints[name])} | {_meaning(kind, name, comments)} |" for name in fields]
    return lines


def _meaning(kind: type, name: str, comments: dict[tuple[str, str], str]) -> str:
    return next((comments[base.__name__, name] for base in kind.__mro__ if (base.__name__, name) in comments), "")


def _type(hint: object) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    return "`" + text.replace("typing.", "").replace("ledger.events.", "").replace("|", "or") + "`"


def _comments(module: ModuleType) -> dict[tuple[str, str], str]:
    """The `#:` line above each field, by class and field."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    above = lines[field.lineno - 2].strip()
                    if above.startswith("#:"):
                        found[node.name, field.target.id] = above[2:].strip().replace("|", "or")
    return found


def state_page() -> str:
    """The phases of a StageSet and the moves between them."""
    rules = inspect.cleandoc(transitions.__doc__ or "")
    lines = ["# State machine", "", "Generated from `reconciler/transitions.py` by `make docs`.", "", rules, ""]
    lines += ["| from | on | to |", "|---|---|---|"]
    lines += [
        f"| {before} | `{signal}` | {after} |"
        for (before, signal), after in transitions.TABLE.items()
        if signal != "run.superseded"
    ]
    lines += [
        "",
        "Every phase of a run at work moves to `idle` on `run.superseded`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
    ]
    lines += [
        f"    {_node(before)} --> {_node(after)}: {signal.replace(':', ' ')}"
        for (before, signal), after in transitions.TABLE.items()
        if signal != "run.superseded"
    ]
    return "\n".join([*lines, "```"]) + "\n"


def _node(phase: transitions.Phase) -> str:
    return phase.value.replace("-", "_")
