"""Runs the real kustomize on prepared trees, each input once.

Invariant: the tool sees one private directory and nothing else that is the controller's: no environment, no
credentials, no programs to start.
"""

from __future__ import annotations

from reconciler.adapters.kustomize.builder import Builder, BuildStore
from reconciler.adapters.kustomize.process import BuildLimits, Kustomize
from reconciler.adapters.kustomize.tool import Tool, find_tool

__all__ = ["BuildLimits", "BuildStore", "Builder", "Kustomize", "Tool", "find_tool"]
