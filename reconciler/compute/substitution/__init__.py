"""Post-build variable substitution over the text that kustomize rendered.

The grammar is the one of Flux's `envsubst` in strict mode: an undefined variable without a default fails the build.
Values are pasted as text, never parsed again, so substitution cannot loop. Invariant: an error names the variable
and its place, never a value.
"""

from __future__ import annotations

from reconciler.compute.substitution.engine import substitute

__all__ = ["substitute"]
