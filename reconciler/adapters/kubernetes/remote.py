"""Makes clients of the clusters that tenants' kubeconfigs lead to.

Not the check of a kubeconfig: only checked values arrive here, and no loader sees them. Invariants: nothing is dialled
that the guard refuses, no key stays on disk, and what a server answers that is no Kubernetes API is not repeated.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path

from kubernetes.aio.client import Configuration

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.connect import server_of
from reconciler.adapters.kubernetes.identity import Configured, Identity, Impersonating
from reconciler.adapters.kubernetes.limits import Limits
from reconciler.adapters.requests.guarded import checked
from reconciler.compute import kubeconfig
from reconciler.compute.urlguard import Guard, Refusal
from reconciler.errors import OperationError

_LIMITS = Limits()


class Remotes:
    """Clusters behind kubeconfigs.

    `guard` judges the servers and proxies: private addresses are ordinary for clusters, but this machine, its link and
    servers without TLS are reached only where an exact entry of the guard's flag opens them. `jitter` returns a number
    in [0, 1) and spreads the ends of watches.
    """

    def __init__(self, guard: Guard, *, jitter: Callable[[], float], limits: Limits = _LIMITS) -> None:
        self._guard, self._jitter, self._limits = guard, jitter, limits

    def reach(self, target: kubeconfig.Target, *, where: str, user: str = "") -> KubernetesCluster:
        """As the kubeconfig's user, who impersonates `user` unless it is empty. Nothing is connected yet.

        Raises `OperationError` for an address that is refused, and for a certificate or key that cannot be used.
        """
        self._check(target, where=where)
        configuration = Configuration(
            host=target.server,
            verify_ssl=not target.insecure,
            tls_server_name=target.tls_server_name or None,
            proxy=target.proxy_url or None,
            ca_cert_data=target.ca_pem.decode() or None,
        )
        authorization = _authorization(target)
        if authorization:
            configuration.api_key["BearerToken"] = authorization
        with tempfile.TemporaryDirectory() as folder:
            if target.cert_pem:
                configuration.cert_file = _written(folder, "tls.crt", target.cert_pem)
                configuration.key_file = _written(folder, "tls.key", target.key_pem)
            server = server_of(configuration, self._limits, where=f"the kubeconfig in {where}", guard=self._guard)
        identity: Identity = Configured(configuration, name=f"the kubeconfig in {where}")
        if user:
            identity = Impersonating(identity, user=user)
        return KubernetesCluster(server, identity, jitter=self._jitter)

    def _check(self, target: kubeconfig.Target, *, where: str) -> None:
        try:
            server = self._guard.check_url(target.server)
            checked(self._guard, target.server)
            if target.proxy_url:
                checked(self._guard, target.proxy_url)
        except Refusal as refusal:
            raise _refused(where, str(refusal)) from None
        if server.scheme == "http" and not self._guard.opens(server.host, server.port):
            raise _refused(
                where,
                f"the server is reached without TLS, which is refused by default: use https://, or start the "
                f"controller with {self._guard.flag}={server.host}:{server.port}",
            )


def _refused(where: str, why: str) -> OperationError:
    # Nobody tells when the Secret changes, so it is looked at again.
    return OperationError(f"the kubeconfig in {where}: {why}", reason=kubeconfig.REASON, retryable=True)


def _authorization(target: kubeconfig.Target) -> str:
    if target.token:
        return f"Bearer {target.token}"
    if target.username:
        return "Basic " + base64.b64encode(f"{target.username}:{target.password}".encode()).decode()
    return ""


def _written(folder: str, name: str, pem: bytes) -> str:
    """OpenSSL reads a client certificate from files only; the folder is private and gone when this module returns."""
    path = Path(folder) / name
    path.write_bytes(pem)
    return str(path)
