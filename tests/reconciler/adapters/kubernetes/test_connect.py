"""From the operator's kubeconfig and from the Pod: what is read, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.config import kube_config

from reconciler.adapters.kubernetes import (
    KubernetesCluster,
    from_kubeconfig,
    in_cluster,
)
from reconciler.errors import OperationError, Unavailable
from tests.reconciler.adapters.kubernetes.scripted import answer, document, refusal, scripted, tenants
from tests.reconciler.adapters.kubernetes.test_identity import Tokens

TLS = Path(__file__).parent / "tls"
VERSION = {"gitVersion": "v1.37.0"}


def data(name: str) -> str:
    return base64.b64encode((TLS / name).read_bytes()).decode()


def written(folder: Path, config: dict[str, Any]) -> str:
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def no_jitter() -> float:
    return 0.0


@asynccontextmanager
async def tls_server() -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    """A server that notes who the connection's certificate and the header say that the client is."""
    seen: list[tuple[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert") or {}
        names = [value for entry in peer.get("subject", ()) for key, value in entry if key == "commonName"]
        seen.append((names[0] if names else "", request.headers.get("Authorization", "")))
        return web.json_response(VERSION)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    context.load_verify_locations(TLS / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/version", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


def certified(server: str) -> dict[str, Any]:
    config = document(1, **{"client-certificate-data": data("client.pem"), "client-key-data": data("client.key")})
    config["clusters"][0]["cluster"] = {"server": server, "certificate-authority-data": data("ca.pem")}
    return config


async def asked(cluster: KubernetesCluster) -> None:
    try:
        await cluster.version()
    finally:
        await cluster.close()


@pytest.mark.parametrize("tenant", [True, False])
def test_a_token_never_travels_on_a_connection_with_another_ones_certificate(tenant: bool, tmp_path: Path) -> None:
    async def run() -> None:
        async with tls_server() as (server, seen):
            config = certified(server)
            if tenant:
                cluster = tenants(config)
            else:
                cluster = await from_kubeconfig(written(tmp_path, config), jitter=no_jitter)
            await cluster.version()
            await cluster.as_service_account(Tokens("sa-token"), name="sa").version()
            await cluster.as_service_account(Tokens("sa-token"), name="sa").impersonating("x").version()
            await cluster.impersonating("x").version()
            await cluster.close()
            assert seen == [
                ("administrator", ""),
                ("", "Bearer sa-token"),
                ("", "Bearer sa-token"),
                ("administrator", ""),
            ]

    asyncio.run(run())


def test_no_key_of_a_kubeconfig_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    async def run() -> None:
        config = certified("https://127.0.0.1:1")
        await from_kubeconfig(written(tmp_path, config), jitter=no_jitter)
        tenants(config)

    asyncio.run(run())
    assert list(folder.rglob("*")) == []
    assert kube_config._temp_files == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current-context": "gone"}, "with name gone in"),
        ({"users": []}, "check its clusters, contexts and users"),
        ({"clusters": [{"name": "test", "cluster": {"server": "https://u:s3cr3t@127.0.0.1"}}]}, "user name"),
    ],
)
def test_an_operators_kubeconfig_that_cannot_be_used_is_named(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    async def run() -> None:
        path = written(tmp_path, {**certified("https://127.0.0.1:1"), **change})
        with pytest.raises(OperationError, match=words) as raised:
            await from_kubeconfig(path, jitter=no_jitter)
        assert path in raised.value.message
        assert "s3cr3t" not in raised.value.message

    asyncio.run(run())


def test_a_missing_or_broken_operators_kubeconfig_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(path: str | None) -> None:
        with pytest.raises(OperationError, match="cannot be used"):
            await from_kubeconfig(path, jitter=no_jitter)

    asyncio.run(run(str(tmp_path / "none")))
    (tmp_path / "bad").write_text("a: [s3cr3t")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "bad"))
    asyncio.run(run(None))


def test_an_operators_token_file_is_read_again_after_a_401(tmp_path: Path) -> None:
    async def run() -> None:
        async with scripted() as script:
            (tmp_path / "token").write_text("old")
            path = written(tmp_path, document(script.port, tokenFile=str(tmp_path / "token")))
            cluster = await from_kubeconfig(path, context="test", jitter=no_jitter)
            (tmp_path / "token").write_text("new")
            script.on["GET /version"] = [refusal(401, "Unauthorized", "Unauthorized"), answer(VERSION)]
            await cluster.version()
            assert [r.headers["Authorization"] for r in script.asked] == ["Bearer old", "Bearer new"]
            await cluster.close()

    asyncio.run(run())


def test_a_pods_token_file_is_read_again_after_a_401(tmp_path: Path) -> None:
    async def run() -> None:
        async with tls_server() as (server, seen):
            (tmp_path / "token").write_text("projected\n")
            environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": server.rpartition(":")[2]}
            cluster = in_cluster(
                jitter=no_jitter, environ=environ, token_file=str(tmp_path / "token"), ca_file=str(TLS / "ca.pem")
            )
            await cluster.version()
            (tmp_path / "token").write_text("rotated")
            cluster._identity.refused({})
            await asked(cluster)
            assert [header.lower() for _, header in seen] == ["bearer projected", "bearer rotated"]

    asyncio.run(run())


def test_a_pods_token_file_that_vanished_is_an_unavailable_credential(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "token").write_text("projected")
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
        cluster = in_cluster(
            jitter=no_jitter, environ=environ, token_file=str(tmp_path / "token"), ca_file=str(TLS / "ca.pem")
        )
        (tmp_path / "token").unlink()
        cluster._identity.refused({})
        with pytest.raises(Unavailable, match="credential of the Pod's ServiceAccount could not be read"):
            await asked(cluster)

    asyncio.run(run())


def test_outside_a_pod_is_said() -> None:
    with pytest.raises(OperationError, match="Service host/port is not set"):
        in_cluster(jitter=no_jitter, environ={})
