"""Reads a denial of an API server's RBAC, and writes the rule that would allow what was denied, ready to paste.

Not an authorizer: what a grant is worth is for whoever pastes it. Invariant: a grant allows the verb, the resource and
the namespace that were denied, and nothing beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml

#: Denials that one operation's grant is made of; the rest comes up with the next try.
GRANTS_MAX = 20
_GROUP = "rbac.authorization.k8s.io"
_ACCOUNT = "system:serviceaccount:"
#: No wildcard fits, whatever a server says: nobody shall paste one.
#: `secrets "prod" is forbidden: User "u" cannot get resource "secrets" in API group "" in the namespace "shop"`
#: (kube-apiserver, `endpoints/handlers/responsewriters/errors.go`).
_DENIED = re.compile(
    r'(?:"(?P<name>[A-Za-z0-9.:@_-]+)" is forbidden: )?User "(?P<who>[^"\\\s]+)" cannot (?P<verb>[a-z]+) '
    r'resource "(?P<resource>[a-z0-9./-]+)"'
    r'(?: in API group "(?P<group>[a-z0-9.-]*)")?(?: in the namespace "(?P<namespace>[a-z0-9-]+)")?'
)
_IMPERSONATED = re.compile(r'User "(?P<who>[^"\\\s]+)" cannot impersonate')
#: Of these one object is granted where one was denied: the others in the namespace are nobody's business.
_ONE_BY_ONE = frozenset(("secrets", "serviceaccounts", "users", "groups"))
#: Verbs for which `resourceNames` means nothing: there is no name yet, or no one name.
_NAMELESS = frozenset(("create", "list", "watch", "deletecollection"))
#: What a role's name may hold (path segment names, which exclude `/` and `%`).
_UNSAFE = re.compile(r"[^a-z0-9.-]+")


class Denial(NamedTuple):
    """Who was denied what, and where."""

    #: as the API server names it
    who: str
    verb: str
    group: str
    #: plural, with its sub-resource
    resource: str
    #: empty: cluster-wide
    namespace: str
    #: the object, where only this one is to be granted
    name: str = ""

    def rule(self) -> str:
        """The rule in one line of YAML."""
        parts = [f'apiGroups: ["{self.group}"]', f'resources: ["{self.resource}"]']
        parts += [f'resourceNames: ["{self.name}"]'] if self.name else []
        return f'{{{", ".join(parts)}, verbs: ["{self.verb}"]}}'

    def hint(self) -> str:
        """What to do about it."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f"in namespace {self.namespace}" if self.namespace else "in the whole cluster"
        kind = "Role" if self.namespace else "ClusterRole"
        return f"give {self.who} a {kind} that allows {self.verb} on {resource} {where}: {self.rule()}"


def impersonation(message: str, *, namespace: str, service_account: str) -> str:
    """A denied impersonation in the words that name what is missing; the message as it is where it is about another.

    Since constrained impersonation (KEP-5284) the API server names the request that would have been made instead.
    """
    found = _IMPERSONATED.search(message)
    if found is None or denial_of(message) is not None:
        return message
    return (
        f'{message}, that is, serviceaccounts "{service_account}" is forbidden: User "{found["who"]}" cannot '
        f'impersonate resource "serviceaccounts" in API group "" in the namespace "{namespace}"'
    )


def denial_of(message: str) -> Denial | None:
    """The denial that an API server's message tells of; None for a refusal by anything but RBAC."""
    found = _DENIED.search(message)
    if found is None:
        return None
    one_by_one = found["resource"] in _ONE_BY_ONE and found["verb"] not in _NAMELESS
    return Denial(
        who=found["who"],
        verb=found["verb"],
        group=found["group"] or "",
        resource=found["resource"],
        namespace=found["namespace"] or "",
        name=found["name"] or "" if one_by_one else "",
    )


def grant(denials: Iterable[Denial]) -> str:
    """Roles and their bindings as YAML, for all denials together; empty where there are none."""
    verbs: dict[Denial, list[str]] = {}
    for denial in dict.fromkeys(denials):
        verbs.setdefault(denial._replace(verb=""), []).append(denial.verb)
    kept = list(verbs.items())[:GRANTS_MAX]
    documents = [document for denial, wanted in kept for document in _documents(denial, sorted(wanted))]
    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in documents)


def _documents(denial: Denial, verbs: list[str]) -> Iterator[dict[str, Any]]:
    """Named by what they allow: pasting another one takes nothing away."""
    kind = "Role" if denial.namespace else "ClusterRole"
    subject = _subject(denial.who)
    parts = (subject["name"], *verbs, denial.resource, denial.group, denial.name)
    name = _UNSAFE.sub("-", "-".join(part for part in parts if part).lower())
    metadata = {"name": name} | ({"namespace": denial.namespace} if denial.namespace else {})
    rule: dict[str, Any] = {"apiGroups": [denial.group], "resources": [denial.resource]}
    rule |= {"resourceNames": [denial.name]} if denial.name else {}
    version = f"{_GROUP}/v1"
    yield {"apiVersion": version, "kind": kind, "metadata": metadata, "rules": [rule | {"verbs": verbs}]}
    yield {
        "apiVersion": version,
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": name},
        "subjects": [subject],
    }


def _subject(who: str) -> dict[str, str]:
    if who.startswith(_ACCOUNT):
        namespace, _, name = who.removeprefix(_ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": "User", "name": who, "apiGroup": _GROUP}
