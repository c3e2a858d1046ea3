"""Long lines are broken where nothing changes: the text means what it meant, and fits."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lstmgen.targets.common.wrapping import WIDTH, wrapped

NAMES = st.sampled_from(["a", "params", "tape.adjoints", 'x["h"]', "d_W_f_rows"])
STRINGS = st.sampled_from(['"a, (b"', "'),('", 'f"{x[1]}, ("', 'r"\\("', '"""[,"""'])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=6)
    return st.one_of(
        several.map(lambda parts: f"run({', '.join(parts)})"),
        several.map(lambda parts: f"({', '.join(parts)},)"),
        several.map(lambda parts: f"[{', '.join(parts)}]"),
        several.map(lambda parts: f"({' + '.join(parts)})"),
        several.map(lambda parts: f"{{{', '.join(f'{k}: {p}' for k, p in enumerate(parts))}}}"),
        several.map(lambda parts: f"x[{', '.join(parts)}]"),
        several.map(lambda parts: f"sum(i for i in ({', '.join(parts)},))"),
        inner.map(lambda part: f"gemm(({part}, {part}), out=b, key=lambda c, d: {part})"),
    )


EXPRESSIONS = st.recursive(NAMES | STRINGS, compound, max_leaves=25)


@seed(13)
@settings(deadline=None, database=None)
@given(EXPRESSIONS, st.integers(0, 12))
def test_the_meaning_stays(expression: str, indent: int) -> None:
    code = f"out = {expression}"
    text = wrapped(code, indent)
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(code))
    assert (text == code) == (indent + len(code) <= WIDTH or text.count("\n") == 0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("short(a, b)", "short(a, b)"),
        (f"f({'a' * 60}, {'b' * 60})", f"f(\n    {'a' * 60},\n    {'b' * 60},\n)"),
        (f"x = ({'a' * 120},)", f"x = (\n    {'a' * 120},\n)"),
        (f"x = ({'a' * 120})", f"x = (\n    {'a' * 120}\n)"),
        (f"f(({'a' * 60}, {'b' * 60}))", f"f((\n    {'a' * 60},\n    {'b' * 60},\n))"),
        (f"f('), ({'a' * 90}', b)", f"f(\n    '), ({'a' * 90}',\n    b,\n)"),
        (f"{'a' * 120}[b, c]", f"{'a' * 120}[b, c]"),
    ],
)
def test_where_lines_are_broken(code: str, expected: str) -> None:
    assert wrapped(code, 0) == expected


def test_inner_lines_are_broken_too() -> None:
    text = wrapped(f"f(g({', '.join(['abcdefghij'] * 20)}), h)", 4)
    assert max(len(line) for line in text.splitlines()) < 30
    assert text.splitlines()[1] == "    g("
