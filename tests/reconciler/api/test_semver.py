from __future__ import annotations

import pytest

from reconciler.api import semver


@pytest.mark.parametrize("text", ["1.2.3", "v1.2.3", "1.2", "v1", "0.0.0", "1.2.3-rc.1+build.5", "1.0.0-alpha"])
def test_versions(text: str) -> None:
    assert semver.is_version(text)


@pytest.mark.parametrize("text", ["", "latest", "1.2.3.4", "1.x", ">=1", "01.2.3", "1.2.3-", "v", "1.2.3 ", "1..2"])
def test_what_is_no_version(text: str) -> None:
    assert not semver.is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        ">=1.2 <2",
        ">=1.2, <2",
        "~1.2",
        "^1",
        "1.2 - 1.4",
        "1.x || >=3.0.0-0",
        "=1.2.3",
        "!=2",
        "*",
        ">= 1.2",
        "~>2.0",
        "1.2.3",
    ],
)
def test_constraints(text: str) -> None:
    assert semver.is_constraint(text)


@pytest.mark.parametrize("text", ["", " ", ">=", "newer", "1.2 ||", ">=1.2<", ">1.2;<2", "1.2 - ", "|| 1"])
def test_what_is_no_constraint(text: str) -> None:
    assert not semver.is_constraint(text)
