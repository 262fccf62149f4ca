from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.api import instant


@pytest.mark.parametrize(
    "text",
    [
        "2006-01-02T15:04:05Z",
        "2006-01-02T15:04:05.123456789Z",
        "2006-01-02T15:04:05.1234567890123Z",
        "2006-01-02t15:04:05z",
        "2006-01-02T15:04:05+02:00",
        "2024-02-29T00:00:00-11:30",
    ],
)
def test_instants_of_the_api(text: str) -> None:
    assert instant.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2006-01-02",
        "2006-01-02T15:04:05",
        "2006-13-02T15:04:05Z",
        "2023-02-29T00:00:00Z",
        "2006-01-02 15:04:05Z",
        "soon",
    ],
)
def test_what_is_no_instant(text: str) -> None:
    assert not instant.is_valid(text)
    with pytest.raises(ValueError, match="RFC 3339"):
        instant.parse(text)


def test_an_instant_has_its_zone() -> None:
    assert instant.parse("2006-01-02T15:04:05.123456789+01:00") == datetime(2006, 1, 2, 14, 4, 5, 123456, tzinfo=UTC)
