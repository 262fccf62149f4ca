"""From a kubeconfig, from the Pod, from a tenant: what is read, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
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
    Limits,
    from_kubeconfig,
    from_kubeconfig_dict,
    in_cluster,
)
from reconciler.errors import OperationError, Unavailable
from tests.reconciler.adapters.kubernetes.scripted import answer, document, refusal, scripted
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
                cluster = from_kubeconfig_dict(config, where="a test", jitter=no_jitter)
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
        from_kubeconfig_dict(config, where="a test", jitter=no_jitter)

    asyncio.run(run())
    assert list(folder.rglob("*")) == []
    assert kube_config._temp_files == {}


def test_a_certificate_that_is_not_trusted_or_for_another_name_is_said() -> None:
    async def run() -> None:
        async with tls_server() as (server, _):
            config = certified(server)
            config["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere"
            with pytest.raises(Unavailable, match=r"not trusted .*server name"):
                await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))
            config["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
            await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))
            config["clusters"][0]["cluster"] = {"server": server}
            with pytest.raises(Unavailable, match="not trusted"):
                await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))
            config["clusters"][0]["cluster"] = {"server": server, "insecure-skip-tls-verify": True}
            await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))

    asyncio.run(run())


def test_plain_http_on_a_tls_port_and_the_reverse_are_said() -> None:
    async def run() -> None:
        async with scripted() as script:
            config = certified(f"https://127.0.0.1:{script.port}")
            with pytest.raises(Unavailable, match="TLS failed"):
                await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))

    asyncio.run(run())


def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    async def run() -> None:
        # The kernel accepts for it, so TCP stands; TLS never does.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = f"https://127.0.0.1:{listener.getsockname()[1]}"
            limits = Limits(connect_s=0.2, request_s=0.2)
            with pytest.raises(Unavailable, match=f"{server} could not be asked to GET /version"):
                await asked(from_kubeconfig_dict(certified(server), where="a test", jitter=no_jitter, limits=limits))

    asyncio.run(run())


def test_a_prefix_in_the_server_url_is_kept() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /k8s/clusters/c-1/version"] = answer(VERSION)
            config = document(script.port)
            config["clusters"][0]["cluster"]["server"] += "/k8s/clusters/c-1/"
            await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))

    asyncio.run(run())


def test_user_name_and_password() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = answer(VERSION)
            config = document(script.port, username="u", password="p")
            await asked(from_kubeconfig_dict(config, where="a test", jitter=no_jitter))
            assert script.asked[-1].headers["Authorization"] == "Basic dTpw"

    asyncio.run(run())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = answer(VERSION)
            await asked(from_kubeconfig_dict(document(script.port), where="a test", jitter=no_jitter))

    asyncio.run(run())


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


def test_a_certificate_that_is_none_is_said() -> None:
    bad = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").decode()
    config = document(1, **{"client-certificate-data": bad, "client-key-data": bad})
    with pytest.raises(OperationError, match="a certificate, key or URL in it cannot be used") as raised:
        from_kubeconfig_dict(config, where='Secret shop/prod, key "value"', jitter=no_jitter)
    assert 'Secret shop/prod, key "value"' in raised.value.message


def test_a_tenants_hostile_kubeconfig_runs_nothing_and_reads_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    config = document(
        1, exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(mark)]}
    )
    with pytest.raises(OperationError, match="runs a program"):
        from_kubeconfig_dict(json.loads(json.dumps(config)), where="a test", jitter=no_jitter)
    assert not mark.exists()
