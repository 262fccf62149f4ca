"""Tells what the suites counted, also where several processes ran them."""

from __future__ import annotations

import pytest

from tests.counted import COUNTED, sentences


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counted"] = {name: dict(counted) for name, counted in COUNTED.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    for name, counted in getattr(node, "workeroutput", {}).get("counted", {}).items():
        COUNTED[name].update(counted)


def pytest_terminal_summary(terminalreporter):
    for name, sentence in sentences().items():
        terminalreporter.section(name)
        terminalreporter.write_line(sentence)
