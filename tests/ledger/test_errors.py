from __future__ import annotations

import inspect

from ledger import errors


def test_the_tree_in_the_docstring_is_the_one_in_the_code() -> None:
    assert errors.__doc__ is not None
    drawn = [line for line in errors.__doc__.splitlines() if "──" in line or line == "LedgerError"]
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in drawn:
        indent = len(line) - len(line.lstrip("│ ├└─"))
        name = line[indent:].split()[0]
        path[indent // 4 :] = [name]
        parents[name] = path[indent // 4 - 1] if indent else "Exception"
    real = {
        name: cls.__base__.__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__ and cls.__base__ is not None
    }
    assert parents == real


def test_sentences_name_the_object_and_what_to_do() -> None:
    wrong = errors.WrongVersion("a/b", expected=1, actual=2)
    assert str(wrong) == ("stream a/b is at version 2, the append expected 1: read what is new and decide again")
    assert str(errors.StaleEpoch(given=1, current=2)) == (
        "epoch 1 may not append, the ledger is in epoch 2: another writer took over"
    )
    assert str(errors.UnknownEvent("x.y", "why")) == "x.y: why"
    assert str(errors.UnknownEvent("x.y", "why", seq=4)) == "position 4: x.y: why"
    assert str(errors.Locked("/l.db")).startswith("/l.db: another process has this ledger open for writing")
    assert str(errors.Closed()) == "the ledger is closed; nothing was recorded"
