"""Refusals of changes: what an API server says of a field that cannot change, and of an object that cannot be."""

from __future__ import annotations

from reconciler.errors import AlreadyExists, Invalid
from reconciler.ports.cluster import Object
from tests.contract.bench import Bench, config, refused
from tests.contract.colliding import (
    CUSTOM,
    MAKERS,
    Pair,
    addresses,
    define,
    gear,
    service_node_port,
    stateful_set_fields,
    undefine,
)

IMMUTABLE = "field is immutable"


async def _causes(bench: Bench, pair: Pair) -> list[tuple[str, str, str]]:
    """Of the refused change: reason, field and the words after the value."""
    error = await refused(Invalid, bench.cluster.apply(pair.after, manager="one"))
    assert error.status["reason"] == "Invalid"
    assert error.status["code"] == 422
    return [(cause["reason"], cause["field"], cause["message"].split("\n")[0]) for cause in error.causes]


async def _told(bench: Bench, name: str) -> list[tuple[str, str, str]]:
    pair = MAKERS[name](bench)
    await bench.cluster.apply(pair.before, manager="one")
    return await _causes(bench, pair)


async def template_of_a_job(bench: Bench) -> None:
    ((reason, field, message),) = await _told(bench, "job_template")
    assert (reason, field) == ("FieldValueInvalid", "spec.template")
    assert message.endswith(f": {IMMUTABLE}")


async def selector_of_a_deployment(bench: Bench) -> None:
    ((reason, field, message),) = await _told(bench, "deployment_selector")
    assert (reason, field) == ("FieldValueInvalid", "spec.selector")
    assert message.endswith(f": {IMMUTABLE}")


async def address_of_a_service(bench: Bench) -> None:
    found = await _told(bench, "service_cluster_ip")
    assert found == [
        ("FieldValueInvalid", "spec.clusterIPs[0]", 'Invalid value: ["None"]: may not change once set'),
    ]
    assert await _told(bench, "service_node_port") == [
        (
            "FieldValueInvalid",
            "spec.clusterIPs[0]",
            f'Invalid value: ["{addresses(bench)[1]}"]: may not change once set',
        ),
    ]


async def fields_of_a_stateful_set(bench: Bench) -> None:
    ((reason, field, message),) = await _told(bench, "stateful_set_fields")
    assert (reason, field) == ("FieldValueInvalid", "spec.serviceName")
    assert message.endswith(f": {IMMUTABLE}")
    pair = stateful_set_fields(bench)
    template = pair.before["spec"]["volumeClaimTemplates"][0]
    bigger = {**template["spec"], "resources": {"requests": {"storage": "2Gi"}}}
    spec = {**pair.before["spec"], "volumeClaimTemplates": [{**template, "spec": bigger}]}
    spec["podManagementPolicy"] = "Parallel"
    found = await _causes(bench, pair._replace(after={**pair.before, "spec": spec}))
    assert {field for _, field, _ in found} == {"spec.volumeClaimTemplates", "spec.podManagementPolicy"}
    assert all(message.endswith(f": {IMMUTABLE}") for _, _, message in found)


async def spec_of_a_claim(bench: Bench) -> None:
    ((reason, field, message),) = await _told(bench, "claim")
    assert (reason, field) == ("FieldValueForbidden", "spec")
    assert message.startswith("Forbidden: spec is immutable after creation except resources.requests")


async def sealed_secrets_and_config_maps(bench: Bench) -> None:
    words = "Forbidden: field is immutable when `immutable` is set"
    for name in ("secret_immutable", "config_map_immutable"):
        assert await _told(bench, name) == [("FieldValueForbidden", "data", words)]
        pair = MAKERS[name](bench)
        unsealed = {key: value for key, value in pair.before.items() if key != "immutable"}
        assert await _causes(bench, pair._replace(after=unsealed)) == [("FieldValueForbidden", "immutable", words)]


async def types_of_secrets(bench: Bench) -> None:
    pair = MAKERS["secret_immutable"](bench)
    open_ = {key: value for key, value in pair.before.items() if key != "immutable"}
    await bench.cluster.apply(open_, manager="one")
    ((reason, field, message),) = await _causes(bench, pair._replace(after={**open_, "type": "example.test/other"}))
    assert (reason, field) == ("FieldValueInvalid", "type")
    assert message.endswith(f": {IMMUTABLE}")


async def transition_rules_of_custom_resources(bench: Bench) -> None:
    await define(bench)
    found = await _told(bench, "transition_rule")
    assert found == [("FieldValueInvalid", "spec.teeth", "Invalid value: 13: teeth do not grow")]
    await undefine(bench)


async def typos_are_no_changes(bench: Bench) -> None:
    for reason, field, message in await _told(bench, "typo"):
        assert (reason, field) == ("FieldValueNotSupported", "spec.template.spec.restartPolicy")
        assert message.startswith('Unsupported value: "Allways": supported values: ')
    found = await _told(bench, "typo_beside_it")
    assert {(reason, field) for reason, field, _ in found} == {
        ("FieldValueInvalid", "spec.serviceName"),
        ("FieldValueNotSupported", "spec.template.spec.containers[0].imagePullPolicy"),
    }


async def what_exists_is_tried_as_new(bench: Bench) -> None:
    """A dry-run of a creation is validated first; that its name is taken is found out last."""
    await define(bench)
    for name, make in MAKERS.items():
        if name in ("typo", "typo_beside_it", "custom_typo", "service_node_port"):
            continue
        pair = make(bench)
        made = await bench.cluster.apply(pair.before, manager="one")
        await refused(AlreadyExists, bench.cluster.create(pair.after, dry_run=True))
        assert (await bench.cluster.get(pair.ref))["metadata"]["uid"] == made["metadata"]["uid"]
    for name in ("typo", "typo_beside_it", "custom_typo"):
        assert (name == "custom_typo") == (name in CUSTOM)
        await refused(Invalid, bench.cluster.create(MAKERS[name](bench).after, dry_run=True))
    await undefine(bench)


async def addresses_are_held(bench: Bench) -> None:
    """While a Service has an address and a port, no other can have them: not even as a dry-run."""
    pair = service_node_port(bench)
    await bench.cluster.apply(pair.before, manager="one")
    first, _, port = addresses(bench)
    for wanted in (pair.before, pair.after):
        error = await refused(Invalid, bench.cluster.create(wanted, dry_run=True))
        assert [(c["field"], c["message"]) for c in error.causes] == [
            ("spec.ports[0].nodePort", f"Invalid value: {port}: provided port is already allocated")
        ]
    # Of addresses a dry-run only asks whether they are in the range.
    without = {**pair.before["spec"], "ports": [{"port": 80}]}
    await refused(AlreadyExists, bench.cluster.create({**pair.before, "spec": without}, dry_run=True))
    other: Object = {**pair.before, "metadata": {**pair.before["metadata"], "name": "other"}, "spec": without}
    error = await refused(Invalid, bench.cluster.create(other))
    taken = f'Invalid value: ["{first}"]: failed to allocate IP {first}: provided IP is already allocated'
    assert [(c["field"], c["message"]) for c in error.causes] == [("spec.clusterIPs", taken)]
    await bench.cluster.delete(pair.ref)
    await bench.cluster.create({**other, "spec": pair.before["spec"]})


async def ratchets_let_old_mistakes_be(bench: Bench) -> None:
    """What an object had before its rule is not refused as long as it does not change."""
    await define(bench)
    await bench.cluster.apply(gear(bench, colour="red"), manager="one")
    error = await refused(Invalid, bench.cluster.apply(gear(bench, paint="red"), manager="two"))
    assert error.causes[0]["message"] == "Invalid value: either colour or paint"
    await bench.cluster.apply(gear(bench, paint="red"), manager="one")
    await undefine(bench)


async def admission_names_no_fields(bench: Bench) -> None:
    """Words in values prove nothing."""
    value = "x: field is immutable"
    error = await refused(Invalid, bench.cluster.create(config(bench, "a", labels={"x": value})))
    assert not error.causes[0]["message"].endswith(IMMUTABLE)
