"""Where a tenant's kubeconfig leads: what is reached, what is refused, what is told of the answers."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.kubernetes import Limits, pool
from reconciler.errors import ClusterError, OperationError, Unauthorized, Unavailable
from reconciler.ports.cluster import Scope
from tests.reconciler.adapters.kubernetes.scripted import TOKEN, answer, document, refusal, scripted, tenants, text
from tests.reconciler.adapters.kubernetes.test_connect import VERSION, asked, certified, tls_server
from tests.reconciler.adapters.requests.serving import Names


def leading_to(server: str, **cluster: Any) -> dict[str, Any]:
    config = document(1)
    config["clusters"][0]["cluster"] = {"server": server, **cluster}
    return config


def test_a_certificate_that_is_not_trusted_or_for_another_name_is_said() -> None:
    async def run() -> None:
        async with tls_server() as (server, _):
            config = certified(server)
            config["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere"
            with pytest.raises(Unavailable, match=r"not trusted .*server name"):
                await asked(tenants(config))
            config["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
            await asked(tenants(config))
            config["clusters"][0]["cluster"] = {"server": server}
            with pytest.raises(Unavailable, match="not trusted"):
                await asked(tenants(config))
            config["clusters"][0]["cluster"] = {"server": server, "insecure-skip-tls-verify": True}
            await asked(tenants(config))

    asyncio.run(run())


def test_plain_http_on_a_tls_port_and_the_reverse_are_said() -> None:
    async def run() -> None:
        async with scripted() as script:
            config = certified(f"https://127.0.0.1:{script.port}")
            with pytest.raises(Unavailable, match="TLS failed"):
                await asked(tenants(config))

    asyncio.run(run())


def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    async def run() -> None:
        # The kernel accepts for it, so TCP stands; TLS never does.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = f"https://127.0.0.1:{listener.getsockname()[1]}"
            limits = Limits(connect_s=0.2, request_s=0.2)
            with pytest.raises(Unavailable, match=f"{server} could not be asked to GET /version"):
                await asked(tenants(certified(server), limits=limits))

    asyncio.run(run())


def test_a_prefix_in_the_server_url_is_kept() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /k8s/clusters/c-1/version"] = answer(VERSION)
            config = document(script.port)
            config["clusters"][0]["cluster"]["server"] += "/k8s/clusters/c-1/"
            await asked(tenants(config))

    asyncio.run(run())


def test_user_name_and_password() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = answer(VERSION)
            config = document(script.port, username="u", password="p")
            await asked(tenants(config))
            assert script.asked[-1].headers["Authorization"] == "Basic dTpw"

    asyncio.run(run())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = answer(VERSION)
            await asked(tenants(document(script.port)))

    asyncio.run(run())


def test_a_certificate_that_is_none_is_said() -> None:
    bad = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").decode()
    config = document(1, **{"client-certificate-data": bad, "client-key-data": bad})
    with pytest.raises(OperationError, match="a certificate, key or URL in it cannot be used") as raised:
        tenants(config, where='Secret shop/prod, key "value"')
    assert 'Secret shop/prod, key "value"' in raised.value.message


def test_a_tenants_hostile_kubeconfig_runs_nothing_and_reads_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    config = document(
        1, exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(mark)]}
    )
    with pytest.raises(OperationError, match="runs a program"):
        tenants(json.loads(json.dumps(config)))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("https://127.0.0.1:6443", "the host 127.0.0.1 is loopback, and refused by default"),
        ("https://0x7f.1", "is loopback"),
        ("https://[::ffff:127.0.0.1]:6443", "is loopback"),
        ("https://localhost:6443", "is this machine"),
        ("https://169.254.169.254", "is link-local, and refused by default"),
        ("https://[fe80::1]:6443", "is link-local"),
        ("https://0.0.0.0", "never connected to"),
        ("http://10.0.0.7:8080", "without TLS, which is refused by default"),
    ],
)
def test_this_machine_its_link_and_plain_http_are_refused(server: str, words: str) -> None:
    with pytest.raises(OperationError) as raised:
        tenants(leading_to(server), where="Secret shop/prod", allowed=())
    assert words in raised.value.message
    assert raised.value.message.startswith("the kubeconfig in Secret shop/prod: ")
    assert raised.value.reason == "KubeconfigInvalid"
    if "never" not in words:
        assert "--allowed-cluster-hosts=" in raised.value.message


@pytest.mark.parametrize("server", ["https://10.0.0.7:6443", "https://192.168.1.1", "https://api.prod.example"])
def test_private_addresses_are_ordinary_for_clusters(server: str) -> None:
    asyncio.run(tenants(leading_to(server), allowed=()).close())


def test_an_exact_entry_opens_an_address_that_is_refused() -> None:
    asyncio.run(tenants(leading_to("https://127.0.0.1:6443"), allowed=("127.0.0.1:6443",)).close())
    with pytest.raises(OperationError):
        tenants(leading_to("https://127.0.0.1:6444"), allowed=("127.0.0.1:6443",))


def test_a_proxy_is_judged_like_a_server() -> None:
    with pytest.raises(OperationError, match="is link-local"):
        tenants(leading_to("https://10.0.0.7", **{"proxy-url": "http://169.254.169.254:80"}), allowed=())


def test_a_name_is_judged_by_each_address_that_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: one harmless address does not make a name harmless."""
    names = Names(api_test=["10.0.0.7", "169.254.169.254"], own_test=["127.0.0.1"])
    monkeypatch.setattr(pool.aiohttp, "DefaultResolver", lambda: names)

    async def run() -> None:
        for host, address in (("api.test", "169.254.169.254"), ("own.test", "127.0.0.1")):
            cluster = tenants(leading_to(f"https://{host}"), allowed=())
            with pytest.raises(Unavailable, match=rf"{host} could not be asked .* leads to {address}"):
                await cluster.version()
            with pytest.raises(Unavailable, match=f"leads to {address}"):
                async for _ in cluster.watch(Scope("v1", "Pod", "shop"), resource_version="1"):
                    pass
            await cluster.close()

    asyncio.run(run())


def test_what_answers_is_quoted_only_where_it_is_a_kubernetes_api() -> None:
    """Else a tenant would read, 200 characters at a time, what only the controller can reach."""

    async def run() -> None:
        async with scripted() as script:
            cluster = tenants(document(script.port))
            for code in (403, 404, 500):
                script.on["GET /version"] = text("the internal page", code=code)
                with pytest.raises(ClusterError, match="not how a Kubernetes API server answers") as raised:
                    await cluster.version()
                assert "internal" not in str(raised.value)
            script.on["GET /version"] = answer({"some": "internal json"})
            with pytest.raises(Unavailable, match="it is no Kubernetes API server") as wrong:
                await cluster.version()
            assert "internal" not in str(wrong.value)
            await cluster.close()

    asyncio.run(run())


def test_a_refused_credential_names_the_secret_it_came_from() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = refusal(401, "Unauthorized", "Unauthorized")
            where, user = 'Secret shop/prod, key "value"', "system:serviceaccount:shop:deployer"
            cluster = tenants(document(script.port), where=where, user=user)
            with pytest.raises(Unauthorized) as raised:
                await cluster.version()
            assert raised.value.message == (
                f"http://127.0.0.1:{script.port} does not accept the credential of {user} (impersonated by the "
                f"kubeconfig in {where}) (Unauthorized)."
            )
            assert script.asked[-1].headers["Impersonate-User"] == user
            assert script.asked[-1].headers["Authorization"] == f"Bearer {TOKEN}"
            assert cluster.spent
            await cluster.close()

    asyncio.run(run())


def test_closing_the_client_closes_its_connections() -> None:
    async def run() -> None:
        async with scripted() as script:
            script.on["GET /version"] = answer(VERSION)
            assert not tenants(document(script.port)).spent
            cluster = tenants(document(script.port), user="system:serviceaccount:shop:deployer")
            await cluster.version()
            await cluster.close()
            with pytest.raises(Unavailable, match="closed"):
                await cluster.version()
            assert cluster._server.closed

    asyncio.run(run())
