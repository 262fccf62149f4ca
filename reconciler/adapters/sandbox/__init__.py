"""The HTTP face: a MemoryCluster on loopback as a small Kubernetes API, for kubectl and for separate processes.

Not a way out of the machine and no TLS: it listens where it is told, on loopback by default, and every request needs a
bearer token.
"""

from reconciler.adapters.sandbox.server import Running, serve

__all__ = ["Running", "serve"]
