"""What docs/how-to/ordering.md shows is right: examples are valid and supported, words are those of the code."""

from __future__ import annotations

from reconciler.api import decode, defaults
from reconciler.api.support import unsupported
from reconciler.api.validate import validate
from reconciler.compute.dependencies import Rules, circular, missing, needs, not_ready
from reconciler.compute.observed import project_stageset
from reconciler.ports.cluster import Scope
from tests.docs import pages

PAGE = "docs/how-to/ordering.md"
EXAMPLE, PACE = pages.documents(PAGE)


def test_the_example_is_valid_and_supported_and_names_whom_the_text_names() -> None:
    assert [str(problem) for problem in validate(EXAMPLE)] == []
    assert unsupported(decode.stageset(EXAMPLE).spec) == []
    observed = project_stageset(Scope("stages.metio.wtf/v1", "StageSet"), EXAMPLE)
    assert needs(observed.spec, namespace="shop") == (("shop", "database"), ("platform", "ingress"))


def test_the_intervals_are_what_the_table_says() -> None:
    raw = {**EXAMPLE, "spec": {**EXAMPLE["spec"], **PACE}}
    assert [str(problem) for problem in validate(raw)] == []
    spec, plain = decode.stageset(raw).spec, decode.stageset(EXAMPLE).spec
    assert (defaults.steady_interval_ms(spec), defaults.retry_interval_ms(spec)) == (300_000, 120_000)
    assert (defaults.steady_interval_ms(plain), defaults.retry_interval_ms(plain)) == (600_000, 600_000)


def test_messages_are_quoted_word_for_word() -> None:
    page = " ".join(pages.text(PAGE).split())
    own, other = ("shop", "a"), ("ops", "b")
    refusals = [rules.refusal(own, other) for rules in (Rules(cross_namespace=False), Rules(("shop",)))]
    told = [not_ready(other), missing(other), *(one for one in refusals if one is not None)]
    assert len(told) == 4
    for obstacle in told:
        quoted = obstacle.message.split(" ops/b ")[1].split(": what")[0].split(": create")[0].split(": add")[0]
        assert f"`… {quoted}`" in page
    assert f"`{circular([own, ('shop', 'b'), own]).message.rpartition(':')[0]}`" in page


def test_links_lead_somewhere() -> None:
    assert all((pages.ROOT / PAGE).parent.joinpath(target).exists() for target in pages.links(PAGE))
