"""Whose request it is, and what happens when a credential is not believed any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.adapters.kubernetes import KubernetesCluster, ServiceAccountToken
from reconciler.errors import Forbidden, NoAccount, NotFound, Unauthorized, Unavailable
from tests.reconciler.adapters.kubernetes.scripted import TOKEN, Scripted, answer, refusal
from tests.reconciler.adapters.kubernetes.test_cluster import LIVE, WEB, WEB_PATH, play

GET = f"GET {WEB_PATH}"
MINT = "POST /api/v1/namespaces/shop/serviceaccounts/deployer/token"


class Tokens:
    """A token source that a test fills."""

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)
        self.evicted: list[str] = []

    async def token(self) -> str:
        return self.left[0]

    def refused(self, token: str) -> None:
        self.evicted.append(token)
        if len(self.left) > 1:
            self.left.pop(0)


def bearer(script: Scripted) -> list[str]:
    return [request.headers["Authorization"] for request in script.asked if request.path == WEB_PATH]


def test_a_service_account_is_its_token_and_nothing_else() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = answer(LIVE)
        derived = cluster.impersonating("admin").as_service_account(Tokens("sa-token"), name="ServiceAccount shop/d")
        assert await derived.get(WEB) == LIVE
        assert bearer(script) == ["Bearer sa-token"]
        assert "Impersonate-User" not in script.asked[-1].headers
        assert derived.identity == "ServiceAccount shop/d"

    play(story)


def test_impersonation_adds_a_header_to_the_base_credential() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = answer(LIVE)
        await cluster.impersonating("system:serviceaccount:shop:deployer").get(WEB)
        assert script.asked[-1].headers["Impersonate-User"] == "system:serviceaccount:shop:deployer"
        assert bearer(script) == [f"Bearer {TOKEN}"]
        await cluster.get(WEB)
        assert "Impersonate-User" not in script.asked[-1].headers
        with pytest.raises(Unauthorized):
            cluster.impersonating("a\r\nImpersonate-Group: system:masters")

    play(story)


def test_after_a_401_the_token_is_minted_again_once() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        denied = refusal(401, "Unauthorized", "Unauthorized")
        script.on[GET] = [denied, answer(LIVE)]
        tokens = Tokens("old", "new")
        assert await cluster.as_service_account(tokens, name="sa").get(WEB) == LIVE
        assert bearer(script) == ["Bearer old", "Bearer new"]
        assert tokens.evicted == ["old"]
        script.on[GET] = denied
        again = cluster.as_service_account(Tokens("1", "2", "3"), name="ServiceAccount shop/deployer")
        with pytest.raises(Unauthorized, match="ServiceAccount shop/deployer"):
            await again.get(WEB)
        assert bearer(script)[2:] == ["Bearer 1", "Bearer 2"]

    play(story)


@pytest.mark.parametrize("token", ["", "a\nb", "a\x00", "tökén"])
def test_a_token_that_no_header_can_carry_is_not_sent_and_not_shown(token: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        with pytest.raises(Unauthorized, match="no header can carry") as raised:
            await cluster.as_service_account(Tokens(token), name="sa").get(WEB)
        assert not token or token not in str(raised.value)
        assert bearer(script) == []

    play(story)


def minted(token: str, expires: str = "1970-01-01T01:00:00Z") -> Any:
    return answer({"status": {"token": token, "expirationTimestamp": expires}}, code=201)


def test_a_service_account_token_is_minted_once_for_all_and_renewed_before_it_expires() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        now = 0.0
        tokens = ServiceAccountToken(cluster, "shop", "deployer", now=lambda: now)
        script.on[MINT] = [minted("one"), minted("two", "1970-01-01T02:00:00Z"), minted("three")]
        assert set(await asyncio.gather(*(tokens.token() for _ in range(20)))) == {"one"}
        assert script.count(MINT) == 1
        now = 3299.0
        assert await tokens.token() == "one"
        now = 3301.0
        assert await tokens.token() == "two"
        tokens.refused("one")  # a late 401 of an older token evicts nothing
        assert await tokens.token() == "two"
        tokens.refused("two")
        assert await tokens.token() == "three"

    play(story)


def test_minting_fails_with_the_reason_of_the_server_and_is_tried_again() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        tokens = ServiceAccountToken(cluster, "shop", "deployer", now=lambda: 0.0)
        script.on[MINT] = [
            refusal(403, "Forbidden", "cannot create resource serviceaccounts/token", name="deployer"),
            minted("secret-one", "soon"),
            answer({"status": {}}),
            minted("good"),
        ]
        with pytest.raises(Forbidden, match="serviceaccounts/token"):
            await cluster.as_service_account(tokens, name="sa").get(WEB)
        with pytest.raises(Unavailable, match="no RFC 3339 time") as raised:
            await tokens.token()
        assert "secret-one" not in str(raised.value)
        with pytest.raises(Unavailable, match="without a token"):
            await tokens.token()
        assert await tokens.token() == "good"

    play(story)


def test_an_account_that_does_not_exist_is_no_missing_object() -> None:
    """Else whoever looks for its objects would take them for deleted."""

    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[MINT] = refusal(404, "NotFound", 'serviceaccounts "deployer" not found', name="deployer")
        script.on[GET] = answer(LIVE)
        tokens = ServiceAccountToken(cluster, "shop", "deployer", now=lambda: 0.0)
        with pytest.raises(NoAccount) as raised:
            await cluster.as_service_account(tokens, name="sa").get(WEB)
        assert not isinstance(raised.value, NotFound)
        assert raised.value.message == (
            "ServiceAccount shop/deployer does not exist: create it, or correct serviceAccountName"
        )
        assert raised.value.status["details"] == {"name": "deployer"}

    play(story)


@pytest.mark.parametrize("name", ["other/deployer", "../../other/serviceaccounts/deployer", "..", ""])
def test_a_name_that_leads_elsewhere_is_no_account_and_nobody_is_asked(name: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        before = len(script.asked)
        with pytest.raises(NoAccount, match="does not exist"):
            await ServiceAccountToken(cluster, "shop", name, now=lambda: 0.0).token()
        assert len(script.asked) == before

    play(story)


def test_minting_has_a_time_limit() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def never(_: Any) -> Any:
            await script.stop.wait()

        script.on[MINT] = never
        tokens = ServiceAccountToken(cluster, "shop", "deployer", now=lambda: 0.0)
        tokens.mint_s = 0.05
        with pytest.raises(Unavailable, match="No token for ServiceAccount shop/deployer within"):
            await tokens.token()
        script.stop.set()

    play(story)


def test_minting_does_not_wait_for_the_slots_of_those_that_wait_for_it() -> None:
    from reconciler.adapters.kubernetes import Limits

    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[MINT], script.on[GET] = minted("t"), answer(LIVE)
        derived = cluster.as_service_account(
            ServiceAccountToken(cluster, "shop", "deployer", now=lambda: 0.0), name="sa"
        )
        async with asyncio.timeout(10):
            await asyncio.gather(*(derived.get(WEB) for _ in range(8)))

    play(story, Limits(concurrent_max=1))
