"""The adapter starts without the synchronous client, and leaves the packages as it found them."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("library", ["kubernetes.client", "requests", "oauthlib", "urllib3"])
def test_the_adapter_does_not_bring_what_it_does_not_use(library):
    code = f"import sys, reconciler.adapters.kubernetes; print({library!r} in sys.modules)"
    assert _run(code) == "False"


def test_the_packages_can_be_imported_as_usual_afterwards():
    code = "import reconciler.adapters.kubernetes, kubernetes.client; print(kubernetes.client.V1Pod.__name__)"
    assert _run(code) == "V1Pod"


def test_packages_that_are_loaded_stay_as_they_are():
    code = (
        "import sys, kubernetes; before = sys.modules['kubernetes'];"
        "import reconciler.adapters.kubernetes; print(sys.modules['kubernetes'] is before)"
    )
    assert _run(code) == "True"
