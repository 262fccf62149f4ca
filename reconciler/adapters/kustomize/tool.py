"""Finds kustomize: the binary, or the one inside kubectl (36 ms slower to start, same output).

The identity is part of every build's digest, so that another version builds again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import OperationError

_VERSION_TIMEOUT_S = 30.0


class Tool(NamedTuple):
    """How to run a build (`argv` without directory) and which kustomize that is, such as `kustomize/v5.8.1`."""

    argv: tuple[str, ...]
    identity: str


async def find_tool(path: str | None = None) -> Tool:
    """`kustomize` on the PATH, else kubectl beside the interpreter, else kubectl on the PATH.

    `path` replaces the PATH of the process. Raises `OperationError` (`KustomizeMissing`) when there is neither.
    """
    restrictor = ("--load-restrictor", "LoadRestrictionsNone")
    if binary := shutil.which("kustomize", path=path):
        version = await _output(binary, "version")
        return Tool((binary, "build", *restrictor), f"kustomize/{_version(version)}")
    beside = Path(sys.executable).parent / "kubectl"
    kubectl = str(beside) if os.access(beside, os.X_OK) else shutil.which("kubectl", path=path)
    if not kubectl:
        raise _missing("neither kustomize nor kubectl is installed: install one of them on the PATH of the controller")
    version = await _output(kubectl, "version", "--client", "-o", "json")
    return Tool((kubectl, "kustomize", *restrictor), f"kustomize/{_kubectl_version(version)}")


async def _output(*argv: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"HOME": "/nonexistent"},
    )
    try:
        async with asyncio.timeout(_VERSION_TIMEOUT_S):
            stdout, _ = await process.communicate()
    except TimeoutError:
        raise _missing(f"{argv[0]} did not tell its version within {_VERSION_TIMEOUT_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return stdout.decode(errors="replace")


def _kubectl_version(output: str) -> str:
    try:
        return _version(str(json.loads(output)["kustomizeVersion"]))
    except (ValueError, KeyError, TypeError):
        raise _missing("kubectl does not tell which kustomize it has inside: install kustomize itself") from None


def _version(output: str) -> str:
    match = re.search(r"v\d+\.\d+\.\d+[0-9A-Za-z.+-]*", output)
    if not match:
        raise _missing("kustomize does not tell its version: install a released one")
    return match[0]


def _missing(message: str) -> OperationError:
    return OperationError(message, reason="KustomizeMissing", retryable=True)
