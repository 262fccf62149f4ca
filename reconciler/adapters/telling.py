"""Logs: one line for each recorded event, saying what the ledger says. JSON for machines, text for terminals.

Not metrics. Nothing is logged that is not recorded, so nothing secret can be.
"""

from __future__ import annotations

import json
import logging
import sys
from time import gmtime
from typing import Any

from ledger.envelope import Draft
from ledger.events import DriftObserved, Event, Finished, RunBlocked, RunFailed, StageFailed, tag_of
from reconciler.compute.order import some
from reconciler.decide import readable
from reconciler.ports.members import Member, Teller

log = logging.getLogger("stageset")

#: Objects that a line names.
OBJECTS_MAX = 10


class Tellers:
    """Tells several."""

    def __init__(self, *tellers: Teller) -> None:
        self._tellers = tellers

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None:
        for teller in self._tellers:
            teller.recorded(member, drafts)


class LogTeller:
    """Writes what was recorded to the log."""

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None:
        for draft in drafts:
            level = logging.WARNING if _is_bad(draft) else logging.INFO
            if not log.isEnabledFor(level):
                continue
            fields = {
                "stageset": f"{member.target.namespace}/{member.target.name}",
                "run": draft.run,
                "stage": draft.stage,
                "outcome": draft.outcome,
                "message": _said(draft.event),
                "reason": getattr(draft.event, "reason", ""),
            }
            log.log(level, tag_of(draft.event), extra={"fields": {k: v for k, v in fields.items() if v}})


def _said(event: Event) -> str:
    if isinstance(event, DriftObserved):
        found = [f"{readable(item.id)}: {item.message}" for item in event.objects]
        return some(found, items_max=OBJECTS_MAX)
    return getattr(event, "message", "")


def _is_bad(draft: Draft) -> bool:
    event = draft.event
    return isinstance(event, StageFailed | RunFailed | RunBlocked | DriftObserved) or (
        isinstance(event, Finished) and draft.outcome not in {"ok", "skipped"}
    )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        rest = " ".join(f"{key}={value}" for key, value in fields.items() if key != "message")
        said = f"  {fields['message']}" if fields.get("message") else ""
        text = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname[0]} {record.getMessage():<20} {rest}{said}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(*, level: str, form: str) -> None:
    """Log to standard error, in UTC."""
    formatter: logging.Formatter = _Json() if form == "json" else _Text()
    formatter.converter = gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    # What it warns of is raised as well, and told in a sentence.
    logging.getLogger("kubernetes").setLevel(logging.ERROR)
