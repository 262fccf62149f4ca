from __future__ import annotations

from tests.simulation.life import TOTALS


def pytest_terminal_summary(terminalreporter):
    """How much was simulated: seeds, places where a controller could have been killed, and where it was."""
    if not TOTALS:
        return
    terminalreporter.section("simulation")
    minutes = TOTALS["steady_minutes"] or 1
    terminalreporter.write_line(
        f"{TOTALS['seeds']} seeds, {TOTALS['crash_runs']} runs with one kill each at every boundary of "
        f"{TOTALS['bases']} base scenarios ({TOTALS['base_boundaries']} boundaries); in all {TOTALS['runs']} runs, "
        f"{TOTALS['crashes']} kills, {TOTALS['boundaries']} boundaries passed, {TOTALS['appends']} appends, "
        f"{TOTALS['requests']} requests, {TOTALS['cells']} cells of the crash matrix, {TOTALS['races']} races, "
        f"{TOTALS['deeds']} effects of actions, {TOTALS['doubts']} times in doubt; "
        f"steady state: {TOTALS['steady_requests'] / minutes:.2f} requests per StageSet and minute, nothing recorded"
    )
