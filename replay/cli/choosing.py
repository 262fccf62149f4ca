"""Which run is meant: by its id, or the last one of a StageSet that failed."""

from __future__ import annotations

import click

from ledger.envelope import Header, decode_header
from ledger.errors import Broken, UnknownEvent
from ledger.log import Selection
from ledger.sqlite_browser import Browser
from replay.bundle.export import Wanted

_PREFIX = "stageset/"
_FAILED = ("run.failed",)


def choose(browser: Browser, what: str, *, namespace: str, until: int) -> Wanted:
    """The run that `what` names: a run's id, a StageSet, or nothing for the last failed run of all.

    Raises `click.UsageError` where there is none, saying what there is.
    """
    found = _run(browser, what) if what.count("/") == 2 else _failed(browser, what, namespace=namespace)
    if until and not _has(browser, found, until):
        raise click.BadParameter(f"run {found.run} has no record at position {until}", param_hint="--until")
    return Wanted(found.stream, found.run, until)


def _run(browser: Browser, run: str) -> Header:
    header = _first(browser, Selection(run=run))
    if header is None:
        raise click.UsageError(f"no run is called {run}: 'stagesetctl ledger ls' lists the last ones")
    return header


def _failed(browser: Browser, what: str, *, namespace: str) -> Header:
    """The last failed run of a StageSet; two of the same name and namespace are told apart by their UIDs."""
    if what.count("/") == 1:
        namespace, _, what = what.partition("/")
    prefix = f"{_PREFIX}{namespace}/{what}/" if what else _PREFIX
    streams = [summary.name for summary in browser.streams() if summary.name.startswith(prefix)]
    if not streams:
        name = f"StageSet {what} in namespace {namespace}" if what else "StageSet"
        raise click.UsageError(f"the ledger knows no {name}: 'stagesetctl ledger ls' lists what it knows")
    failed = [header for name in streams if (header := _last(browser, Selection(stream=name, types=_FAILED)))]
    if not failed:
        raise click.UsageError(
            f"no run of {what or 'any StageSet'} failed: name a run, as 'stagesetctl ledger ls' does"
        )
    return max(failed, key=lambda header: header.seq)


def _has(browser: Browser, found: Header, seq: int) -> bool:
    header = _first(browser, Selection(stream=found.stream, after=seq - 1, until=seq))
    return header is not None and header.run == found.run


def _first(browser: Browser, selection: Selection) -> Header | None:
    for stored in browser.read(selection):
        return _readable(stored.seq, stored.header)
    return None


def _last(browser: Browser, selection: Selection) -> Header | None:
    found = browser.last(1, selection)
    return _readable(found[0].seq, found[0].header) if found else None


def _readable(seq: int, raw: bytes) -> Header:
    try:
        return decode_header(raw)
    except UnknownEvent as error:
        raise Broken("UNREADABLE", seq, f"{error.why}; run 'stagesetctl audit verify'") from error
