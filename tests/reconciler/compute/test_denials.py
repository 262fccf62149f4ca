"""What RBAC denied, and the Role that would allow it: no more than that, and nothing that a server made up."""

from __future__ import annotations

import pytest
import yaml

from reconciler.compute.denials import GRANTS_MAX, Denial, denial_of, grant, impersonation

DEPLOYER = "system:serviceaccount:shop:deployer"
PATCH = (
    f'deployments.apps "web" is forbidden: User "{DEPLOYER}" cannot patch resource "deployments" in API group "apps" '
    'in the namespace "shop"'
)
READ = (
    f'secrets "prod" is forbidden: User "{DEPLOYER}" cannot get resource "secrets" in API group "" in the namespace '
    '"shop": RBAC: role.rbac.authorization.k8s.io "gone" not found'
)
CREATE = (
    'namespaces is forbidden: User "alice" cannot create resource "namespaces" in API group "" at the cluster scope'
)


def test_a_denial_is_read_from_the_servers_words():
    assert denial_of(PATCH) == Denial(DEPLOYER, "patch", "apps", "deployments", "shop")
    assert denial_of(CREATE) == Denial("alice", "create", "", "namespaces", "")
    # Of Secrets, the one that was denied.
    assert denial_of(f"connect: {READ}") == Denial(DEPLOYER, "get", "", "secrets", "shop", "prod")
    assert denial_of(READ.replace("get", "list")) == Denial(DEPLOYER, "list", "", "secrets", "shop")


@pytest.mark.parametrize(
    "message",
    [
        "",
        'pods "x" is forbidden: exceeded quota: compute',
        'User "alice" cannot get path "/metrics"',
        PATCH.replace("patch", "*"),
        PATCH.replace('"deployments"', '"*"'),
        PATCH.replace('"apps"', '"*"').replace('in the namespace "shop"', ""),
        PATCH.replace(DEPLOYER, 'a"\\n  b'),
    ],
)
def test_what_is_no_denial_or_asks_for_everything_grants_nothing(message):
    found = denial_of(message)
    assert found is None or "*" not in found.rule()
    if found is not None:
        # What follows a group that is none is not read.
        assert found.group == ""


def test_the_hint_has_the_rule():
    found = denial_of(READ)
    assert found is not None
    assert found.hint() == (
        f"give {DEPLOYER} a Role that allows get on secrets in namespace shop: "
        '{apiGroups: [""], resources: ["secrets"], resourceNames: ["prod"], verbs: ["get"]}'
    )
    assert yaml.safe_load(found.rule())["resourceNames"] == ["prod"]


def test_the_grant_is_a_role_with_its_binding():
    found = [denial_of(PATCH), denial_of(PATCH), denial_of(PATCH.replace("cannot patch", "cannot create"))]
    role, binding = yaml.safe_load_all(grant(one for one in found if one))
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "deployer-create-patch-deployments-apps", "namespace": "shop"},
        "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create", "patch"]}],
    }
    assert binding == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "deployer-create-patch-deployments-apps", "namespace": "shop"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "deployer-create-patch-deployments-apps",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}],
    }


def test_what_is_cluster_wide_is_granted_cluster_wide_and_to_a_user_as_a_user():
    found = denial_of(CREATE)
    assert found is not None
    role, binding = yaml.safe_load_all(grant([found]))
    assert (role["kind"], role["metadata"]) == ("ClusterRole", {"name": "alice-create-namespaces"})
    assert (binding["kind"], binding["subjects"]) == (
        "ClusterRoleBinding",
        [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    )


def test_a_denied_impersonation_names_the_account_that_it_was_for():
    said = 'forbidden: User "gateway" cannot impersonate-on:serviceaccount:get path "/version"'
    told = impersonation(said, namespace="shop", service_account="deployer")
    assert told.startswith(said)
    wanted = Denial("gateway", "impersonate", "", "serviceaccounts", "shop", "deployer")
    assert denial_of(told) == wanted
    # An older server says so itself, and another denial is another matter.
    older = told.partition("that is, ")[2]
    assert denial_of(older) == wanted
    for other in (older, READ, "quota"):
        assert impersonation(other, namespace="shop", service_account="deployer") == other


def test_a_subresource_is_granted_under_a_name_that_a_role_can_have():
    role, _ = yaml.safe_load_all(grant([Denial(DEPLOYER, "get", "", "pods/log", "shop")]))
    assert role["metadata"]["name"] == "deployer-get-pods-log"
    assert role["rules"][0]["resources"] == ["pods/log"]


def test_a_grant_has_an_end():
    many = [Denial(DEPLOYER, "get", "", f"kind{number}s", "shop") for number in range(GRANTS_MAX + 5)]
    assert len(list(yaml.safe_load_all(grant(many)))) == 2 * GRANTS_MAX
    assert grant([]) == ""
