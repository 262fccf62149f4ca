"""`python -m tests.controlplane`: have the control plane's binaries built, or found, and say which versions they are.

`python -m tests.controlplane run` starts a control plane and keeps it until Ctrl-C, for a look with kubectl or for
`make demo CLUSTER=…`. Exit codes: 0 all there, 1 something is missing (with a sentence), 2 wrong arguments.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.controlplane.binaries import TOOLS, ControlPlaneMissingError, assets, cache_root
from tests.controlplane.build import build


def say(line: str) -> None:
    """Print at once: the build runs for minutes, often into a pipe."""
    print(line, flush=True)


def _say_what_is_there(directory: Path) -> None:
    say(f"control plane in {directory}")
    for tool in TOOLS:
        words = subprocess.run([directory / tool.name, "--version"], capture_output=True, text=True, check=True)
        say(f"  {tool.name:<24} {words.stdout.splitlines()[0]}")
    size = sum((directory / tool.name).stat().st_size for tool in TOOLS) / 2**20
    say(f"  {size:.0f} MiB")
    if others := sorted(path.name for path in cache_root().glob("*") if path != directory):
        say(f"  builds of other versions, free to delete, in {cache_root()}: {', '.join(others)}")


def _run(directory: Path) -> None:
    from tests.controlplane.cluster import ControlPlane

    with ControlPlane(directory) as plane:
        say(f"up after {plane.startup_seconds:.1f} s; Ctrl-C ends it")
        say(f"export KUBECONFIG={plane.kubeconfig}")
        # Blocked only now: children inherit the mask.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def main(arguments: list[str]) -> int:
    """Do what the module's docstring says; returns the exit code."""
    if arguments not in ([], ["run"]):
        print("usage: python -m tests.controlplane [run]", file=sys.stderr)
        return 2
    try:
        directory = assets() or build(say=say)
        _say_what_is_there(directory)
        if arguments == ["run"]:
            _run(directory)
    except ControlPlaneMissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
