from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Struct

from reconciler.api import schema
from reconciler.api.fields import Duration, Int32, default, says


class Inner(Struct, frozen=True, kw_only=True):
    """One line
    over two.

    More.
    """

    word: Annotated[Literal["a", "b"] | None, says("A word.", effective="a")] = None


class Outer(Struct, frozen=True, kw_only=True, rename="camel"):
    """Outer."""

    needed_part: Annotated[Inner, says("A part.")]
    wait: Annotated[Duration, says("A time.", effective="1m")] = ""
    count: Annotated[Int32, says("A number.", ge=1, le=3, crd=default(2))] = 2
    labels: Annotated[dict[str, str], says("Words.")] = {}
    inner: tuple[Inner, ...] = ()


class Odd(Struct, frozen=True, kw_only=True):
    part: float = 0.0


def test_a_type_is_read_with_all_it_says() -> None:
    fields = schema.of(Outer).fields
    assert list(fields) == ["neededPart", "wait", "count", "labels", "inner"]
    assert [name for name, field in fields.items() if field.required] == ["neededPart"]
    needed = fields["neededPart"]
    assert (needed.attribute, needed.node.kind, needed.node.description) == ("needed_part", "object", "A part.")
    wait = fields["wait"].node
    assert (wait.form, wait.effective, wait.description) == ("duration", "1m", "A time.")
    assert wait.pattern.startswith("^")
    count = fields["count"].node
    assert (count.least, count.most, count.keywords) == (1, 3, {"format": "int32", "default": 2})
    assert fields["labels"].node.kind == "map"
    assert fields["labels"].default == {}
    item = fields["inner"].node.item
    assert item is not None
    assert (item.struct, item.description) == (Inner, "One line over two.")
    assert (item.fields["word"].node.enum, item.fields["word"].default) == (("a", "b"), None)


def test_a_type_without_a_place_in_the_schema_is_refused() -> None:
    with pytest.raises(TypeError, match="has no place in the schema of the API"):
        schema.of(Odd)
