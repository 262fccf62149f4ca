from __future__ import annotations

from reconciler.adapters.operations.claims import Claims
from reconciler.adapters.operations.existing import Owner

ONE, TWO = Owner(namespace="a", name="one"), Owner(namespace="b", name="two")


def test_the_second_is_told_who_the_first_is() -> None:
    claims = Claims()
    with claims.held(["x", "y"], cluster="", owner=ONE) as others:
        assert others == {}
        with claims.held(["y", "z"], cluster="", owner=TWO) as refused:
            assert refused == {"y": ONE}
            # Who is refused claims nothing.
            with claims.held(["z"], cluster="", owner=ONE) as free:
                assert free == {}
    with claims.held(["y"], cluster="", owner=TWO) as others:
        assert others == {}


def test_other_clusters_are_other_objects() -> None:
    claims = Claims()
    with (
        claims.held(["x"], cluster="", owner=ONE),
        claims.held(["x"], cluster="b/remote", owner=TWO) as others,
    ):
        assert others == {}


def test_a_claim_ends_with_whatever_ends_the_apply() -> None:
    claims = Claims()
    try:
        with claims.held(["x"], cluster="", owner=ONE):
            raise KeyError
    except KeyError:
        pass
    with claims.held(["x"], cluster="", owner=TWO) as others:
        assert others == {}
