"""Makes a KubernetesCluster from the operator's kubeconfig, or from the Pod it runs in.

`kubernetes.aio` reads this configuration with its token files, plugins and certificates; a tenant's kubeconfig never
reaches that loader. Invariant: no key stays on disk.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.identity import Configured
from reconciler.adapters.kubernetes.limits import Limits
from reconciler.adapters.kubernetes.server import Server
from reconciler.compute import kubeconfig
from reconciler.compute.urlguard import Guard
from reconciler.errors import OperationError

_LIMITS = Limits()
#: The loader keeps the files it makes of inline keys in one global table.
_loading = asyncio.Lock()


async def from_kubeconfig(
    path: str | None = None, *, context: str | None = None, jitter: Callable[[], float], limits: Limits = _LIMITS
) -> KubernetesCluster:
    """The operator's own kubeconfig: `path`, else `KUBECONFIG`, else `~/.kube/config`; plugins and files are allowed.

    After a 401 it is read again, so rotated token files and `exec` tokens are picked up; a rotated client certificate
    is not. Raises `OperationError` when it cannot be used.
    """
    source = path or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    # As KUBECONFIG may: several files, of which any may be missing.
    if not any(os.path.exists(os.path.expanduser(one)) for one in source.split(os.pathsep)):  # noqa: ASYNC240 - one look
        raise _unusable(
            source, "the file does not exist; name another with --kubeconfig or KUBECONFIG, or run inside a cluster"
        )
    configuration = Configuration()

    async def load() -> None:
        async with _loaded(configuration, source, context):
            pass

    try:
        async with _loaded(configuration, source, context):
            server = server_of(configuration, limits, where=source)
    except OperationError:
        raise
    except Exception as error:  # noqa: BLE001 - the loader and its plugins raise what they like, texts may hold secrets
        raise _unusable(source, _reason(error)) from None
    identity = Configured(configuration, name=f"kubeconfig {source}", reload=load)
    return KubernetesCluster(server, identity, jitter=jitter)


def in_cluster(
    *,
    jitter: Callable[[], float],
    limits: Limits = _LIMITS,
    environ: Mapping[str, str] = os.environ,
    token_file: str = SERVICE_TOKEN_FILENAME,
    ca_file: str = SERVICE_CERT_FILENAME,
) -> KubernetesCluster:
    """The ServiceAccount of the Pod; its token file is read again every minute and after a 401.

    Raises `OperationError` outside a Pod.
    """
    loader = InClusterConfigLoader(token_filename=token_file, cert_filename=ca_file, environ=environ)  # type: ignore[no-untyped-call]
    configuration = Configuration()

    async def load() -> None:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]

    try:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - ConfigException, OSError and whatever else the loader meets
        raise _unusable("the Pod's ServiceAccount", _reason(error)) from None
    server = server_of(configuration, limits, where="the Pod's ServiceAccount")
    return KubernetesCluster(
        server, Configured(configuration, name="the Pod's ServiceAccount", reload=load), jitter=jitter
    )


@asynccontextmanager
async def _loaded(configuration: Configuration, source: str, context: str | None) -> AsyncIterator[None]:
    """Inside, the files exist that the loader made of inline keys; OpenSSL reads keys from files only."""
    async with _loading:
        try:
            await kube_config.load_kube_config(source, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]
            yield
        finally:
            # Else they stay until the process ends, and for ever when it is killed.
            kube_config._cleanup_temp_files()  # type: ignore[no-untyped-call]


def server_of(configuration: Configuration, limits: Limits, *, where: str, guard: Guard | None = None) -> Server:
    """The server of a configuration, as `Server` with `guard`. Raises `OperationError` where something is no use."""
    # Python 3.13 asks for extensions that the certificates of common installers lack; kubectl does not ask for them.
    configuration.disable_strict_ssl_verification = True
    if "@" in configuration.host:
        raise _unusable(where, "the server's URL holds a user name; put the credential into the user's entry")
    try:
        return Server(configuration, limits=limits, guard=guard)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _unusable(where, f"a certificate, key or URL in it cannot be used ({type(error).__name__})") from None


def _reason(error: Exception) -> str:
    """The loader's own sentences name keys, never values; of anything else only the type is told."""
    if type(error).__name__ == "ConfigException":
        return str(error).rstrip(".")
    if isinstance(error, OSError):
        return f"a file that it needs cannot be read ({error.strerror or type(error).__name__})"
    return f"it is not understood ({type(error).__name__}); check its clusters, contexts and users"


def _unusable(where: str, why: str) -> OperationError:
    return OperationError(f"{where} cannot be used: {why}.", reason=kubeconfig.REASON, retryable=False)
