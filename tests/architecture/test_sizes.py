"""Files and functions stay small enough to be read at once (the stops of the house's style)."""

from __future__ import annotations

import ast
from statistics import median, quantiles

from tests.architecture.sources import modules, name

# A PATCH request has six independent parts; the port names each, and its implementations follow it.
BY_THE_PORT = {"patch"}
FILE_LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 500, 70, 5


def _functions():
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def _body_lines(node):
    body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
    return body[-1].end_lineno - body[0].lineno + 1


def test_no_file_is_longer_than_the_stop():
    lines = {name(path): len(path.read_text().splitlines()) for path in modules()}
    assert {path: count for path, count in lines.items() if count > FILE_LINES_MAX} == {}
    counts = [count for count in lines.values() if count > 1]
    assert median(counts) <= 150
    assert quantiles(counts, n=10)[-1] <= 300


def test_no_function_is_longer_than_the_stop():
    sizes = {(name(path), node.name, node.lineno): _body_lines(node) for path, node in _functions()}
    assert {key: size for key, size in sizes.items() if size > FUNCTION_LINES_MAX} == {}
    assert median(sizes.values()) <= 10
    assert quantiles(sizes.values(), n=10)[-1] <= 30


def _is_command(node):
    return any("click." in ast.unparse(decorator) for decorator in node.decorator_list)


def test_no_function_has_too_many_parameters():
    """Click gives a command one parameter for each option: those are the command line's, not the function's."""
    found = {}
    for path, node in _functions():
        arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}]
        count = len(arguments) + len(node.args.kwonlyargs)
        is_constructor = node.name == "__init__"
        if (
            count > PARAMETERS_MAX + (1 if is_constructor else 0)
            and not _is_command(node)
            and node.name not in BY_THE_PORT
        ):
            found[name(path), node.name, node.lineno] = count
    assert found == {}
