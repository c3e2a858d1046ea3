"""Every function of the table in every language it is written in, against its definition."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
import sympy

import lstmgen
from lstmgen import Cell, Eq, symbols, t
from lstmgen.algebra.derivative import derivative
from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Parameter,
    number,
)
from lstmgen.algebra.functions import BY_WORD, FUNCTIONS, Function
from lstmgen.language import notation
from lstmgen.targets.common.c_expressions import CFamily, language
from lstmgen.targets.common.functions import Language
from lstmgen.targets.numpy.expressions import FUNCTIONS as NUMPY
from lstmgen.targets.registry import get
from lstmgen.typeset.formula import Word

Array = npt.NDArray[Any]
DTYPES = {"float64": np.float64, "float32": np.float32}
SIZES = [0.0, 1e-30, 1e-8, 1e-4, 0.01, 0.1, 0.25, 0.3, 0.49, 0.5, 0.51, 0.9, 1.0, 1.5, 2.0, 2.9]
SIZES += [3.0, 3.1, 5.0, 6.0, 8.0, 12.0, 25.0, 40.0, 87.0, 200.0, 700.0, 1e3, 1e4]
OTHERS = {  # the arguments after the first
    "max": 0.25, "min": 0.25, "masked": 3.0, "leaky_relu": 0.2, "elu": 1.3, "clip": (-0.5, 2.0),
}  # fmt: skip
UNARY_ULP = 8.0


def arguments(entry: Function, dtype: type[np.floating[Any]]) -> list[Array]:
    """Values of both signs from tiny to large, where the function is defined and finite."""
    values = np.array([*SIZES, *(-size for size in SIZES)], dtype)
    if entry.domain is not None:
        inside = [entry.domain(mpmath.mp, mpmath.mpf(float(v))) > 0 for v in values]
        values = values[np.array(inside)]
    if entry.name in ("exp", "expm1", "sinh", "cosh"):
        values = values[np.abs(values) < (700 if dtype is np.float64 else 80)]
    others = OTHERS.get(entry.name.removesuffix("_slope"), ())
    others = others if isinstance(others, tuple) else (others,)
    return [values, *(np.full_like(values, other) for other in others)]


def exactly(entry: Function, given: list[Array]) -> list[Any]:
    """The definition at digits enough for 1 + exp(-1e4)."""
    context = mpmath.MPContext()
    context.dps = 120
    return [
        entry.exact(context, *(context.mpf(float(a)) for a in units))
        for units in zip(*given, strict=True)
    ]


def check(entry: Function, given: list[Array], found: Array) -> None:
    """Right to a few units of the last place; to more of them where the exponent of exp is large.

    exp(u) of a rounded u is off by |u| units: u is a^2 / 2 for the normal distribution's tail, and
    1.6 (a + 0.044715 a^3) in the tanh form.
    """
    kind = given[0].dtype.type
    assert found.dtype == kind, found.dtype
    for a, value, true in zip(given[0], found, exactly(entry, given), strict=True):
        size = abs(float(a))
        units = UNARY_ULP
        if entry.name.startswith("gelu_tanh"):
            units += 1.6 * (size + 0.044715 * size**3) * 4
        elif entry.name.startswith(("gelu", "normal_cdf")):
            units += size**2 * 2
        eps = float(np.finfo(kind).eps)
        bound = units * eps * abs(float(true))
        if entry.name.endswith("_slope"):  # a sum of two terms that may cancel
            bound += units * eps * min(1.0, math.exp(-min(size, 700.0)) * (1 + size))
        bound += 4 * float(np.finfo(kind).tiny) * max(1.0, size**2)
        assert abs(float(value) - float(true)) <= bound, (entry.name, float(a), float(true))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_text(name: str, dtype: str) -> None:
    entry = FUNCTIONS[name]
    given = arguments(entry, DTYPES[dtype])
    space: dict[str, Any] = {"np": np}
    for definition in NUMPY.definitions([name]):
        exec(definition, space)
    call = NUMPY.call(name, entry.arguments)
    with np.errstate(under="ignore", over="ignore"):
        found = eval(call, space, dict(zip(entry.arguments, given, strict=True)))
    check(entry, given, found)


class C11(CFamily):
    """Expressions as C11."""

    def number(self, decimal: str) -> str:
        return f"((real){decimal})"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """All functions as C11, with warnings as errors, in float and in double."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here: install gcc to run this test")
    texts = language(C11)
    lines = ["#include <tgmath.h>", "typedef REAL real;"]
    lines += [f"static inline {text}" for text in texts.definitions(FUNCTIONS)]
    for entry in FUNCTIONS.values():
        given = "".join(f", const real *{argument}" for argument in entry.arguments)
        call = texts.call(entry.name, [f"{argument}[k]" for argument in entry.arguments])
        lines.append(
            f"void each_{entry.name}(int n, real *out{given}) "
            f"{{ for (int k = 0; k < n; ++k) out[k] = {call}; }}"
        )
    folder = tmp_path_factory.mktemp("c")
    (folder / "all.c").write_text("\n".join(lines))
    loaded = {}
    for real in ("float", "double"):
        library = folder / f"all_{real}.so"
        flags = "-std=c11 -O1 -Wall -Wdouble-promotion -Werror -Wno-unused-function -shared -fPIC"
        command = [compiler, *flags.split(), f"-DREAL={real}", "-o", str(library), "all.c", "-lm"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        loaded[real] = ctypes.CDLL(str(library))
    return lambda dtype: loaded["float" if dtype == "float32" else "double"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_c_text(name: str, dtype: str, compiled: Callable[[str], ctypes.CDLL]) -> None:
    entry = FUNCTIONS[name]
    given = arguments(entry, DTYPES[dtype])
    out = np.empty_like(given[0])
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (out, *given)]
    getattr(compiled(dtype), f"each_{name}")(len(out), *pointers)
    check(entry, given, out)


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if n != "masked"])
def test_not_a_number_is_handed_on(name: str, compiled: Callable[[str], ctypes.CDLL]) -> None:
    """Masks apart, which are numbers: a derivative has its NaN from the value."""
    entry = FUNCTIONS[name]
    if not entry.is_offered:
        return
    given = [np.full(1, np.nan), *(np.full(1, 0.5) for _ in entry.arguments[1:])]
    space: dict[str, Any] = {"np": np}
    for definition in NUMPY.definitions([name]):
        exec(definition, space)
    with np.errstate(invalid="ignore"):
        call = NUMPY.call(name, entry.arguments)
        assert np.isnan(eval(call, space, dict(zip(entry.arguments, given, strict=True))))
    out = np.empty(1)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (out, *given)]
    getattr(compiled("float64"), f"each_{name}")(1, *pointers)
    assert np.isnan(out[0])


# At each kink what PyTorch 2.13 gives; as fixed values, and once more by PyTorch where it is here.
KINKS = {
    "relu": {0.0: 0.0},
    "abs": {0.0: 0.0},
    "sign": {0.0: 0.0, 1.0: 0.0},
    "leaky_relu": {0.0: 0.2},
    "elu": {0.0: 1.3},
    "selu": {0.0: 1.0507009873554805 * 1.6732632423543772},
    "hard_sigmoid": {-3.0: 0.0, 3.0: 0.0, 0.0: 1 / 6},
    "hard_tanh": {-1.0: 0.0, 1.0: 0.0, 0.0: 1.0},
    "clip": {-0.5: 1.0, 2.0: 1.0, 2.5: 0.0},
    "max": {0.25: 0.5},
    "min": {0.25: 0.5},
}


def slope(name: str, at: float) -> float:
    """The derived derivative by the first argument, at 50 digits."""
    others = OTHERS.get(name, ())
    others = others if isinstance(others, tuple) else (others,)
    a = Parameter("a")
    call = Call(name, (a, *(number(Fraction(str(other))) for other in others)))
    return float(evaluate(derivative(call, a), at))


def evaluate(expression: Expression, a: float) -> Any:
    """An expression in the one parameter a, by the definitions of the table."""
    m = mpmath.mp
    match expression:
        case Number(value):
            return m.mpf(value.numerator) / value.denominator
        case Parameter():
            return m.mpf(a)
        case Add(terms):
            return m.fsum(evaluate(term, a) for term in terms)
        case Mul(factors):
            return m.fprod(evaluate(factor, a) for factor in factors)
        case Neg(inner):
            return -evaluate(inner, a)
        case Div(above, below):
            return evaluate(above, a) / evaluate(below, a)
        case Call(name, parts):
            return FUNCTIONS[name].exact(m, *(evaluate(part, a) for part in parts))
    raise AssertionError(expression)


@pytest.mark.parametrize("name", KINKS)
def test_slopes_at_kinks(name: str) -> None:
    for at, expected in KINKS[name].items():
        assert slope(name, at) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", KINKS)
def test_slopes_at_kinks_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    functions: dict[str, Callable[[Any], Any]] = {
        "relu": torch.relu,
        "abs": torch.abs,
        "sign": torch.sign,
        "leaky_relu": lambda a: F.leaky_relu(a, 0.2),
        "elu": lambda a: F.elu(a, 1.3),
        "selu": F.selu,
        "hard_sigmoid": F.hardsigmoid,
        "hard_tanh": F.hardtanh,
        "clip": lambda a: torch.clamp(a, -0.5, 2.0),
        "max": lambda a: torch.maximum(a, torch.full_like(a, 0.25)),
        "min": lambda a: torch.minimum(a, torch.full_like(a, 0.25)),
    }
    a = torch.tensor([*KINKS[name]], dtype=torch.float64, requires_grad=True)
    functions[name](a).sum().backward()
    assert [slope(name, at) for at in KINKS[name]] == pytest.approx(a.grad.tolist(), rel=1e-7)


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.is_offered])
@pytest.mark.parametrize("target", ["numpy", "cupy"])
def test_a_cell_with_it_is_right_on_every_target(name: str, target: str) -> None:
    entry = FUNCTIONS[name]
    h, x, W, b, k = symbols("h x W b k")
    a = W @ [h[t - 1], x[t]] + b
    first = a * a + 0.5 if entry.domain else a
    given = [first, k * h[t - 1] + 0.3, 2.5][: entry.arity]
    if name == "clip":
        given[1:] = [-0.5, 0.75]
    cell = Cell("one", Eq(h[t], notation.CLASSES[name](*given) / 2 + 0.1 * h[t - 1]))
    found = get(target)
    assert found.quick_check(cell, found.files(cell, found.settle({}))) == ()


def test_what_is_left_out_has_its_default() -> None:
    h, x = symbols("h x")
    cell = Cell("c", Eq(h[t], lstmgen.leaky_relu(x[t] + h[t - 1]) + lstmgen.elu(h[t - 1])))
    assert "leaky_relu(x_t + h_{t-1}, 1/100) + elu(h_{t-1}, 1)" in str(cell.normal_form)
    assert "leaky_relu(x[t] + h[t-1])" in str(cell.equations[0])
    with pytest.raises(TypeError):
        lstmgen.leaky_relu(1, 2, 3)


@pytest.mark.parametrize("function", [sympy.atan, sympy.sign, sympy.erf, sympy.cosh, sympy.tanh])
def test_functions_of_sympy_are_taken(function: Any) -> None:
    h, x = symbols("h x")
    cell = Cell("c", Eq(h[t], function(x[t] + h[t - 1])))
    assert "(x_t + h_{t-1})" in str(cell.normal_form)


def test_names_that_users_type() -> None:
    wanted = "silu swish gelu gelu_tanh leaky_relu elu selu hard_sigmoid hard_tanh clip sign arctan"
    wanted += " erf mish log1p expm1 cosh sinh sigmoid"
    assert set(wanted.split()) <= set(lstmgen.__all__)
    assert lstmgen.swish is lstmgen.silu
    for word in ("SiLU", "GELU", "LeakyReLU", "ELU", "SELU", "HardTanh", "sgn", "atan", "Mish"):
        assert BY_WORD[word].is_offered


def test_a_function_without_its_texts_is_no_entry() -> None:
    with pytest.raises(TypeError, match="lacks a text"):
        Function("new", ("a",), "", Word("new"), lambda m, a: a)
    with pytest.raises(TypeError, match="no text for the functions sigma"):
        Language(lambda f: None if f.name == "sigma" else f.c, lambda f: f.name, lambda f, v: "")


def test_every_function_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "functions.md").read_text(encoding="utf-8")
    offered = [f.notation for f in FUNCTIONS.values() if f.is_offered]
    missing = [name for name in offered if f"`{name}(" not in page]
    assert not missing


@pytest.mark.parametrize("target", ["numpy", "cupy"])
def test_the_entry_that_the_documentation_adds_is_all_that_is_needed(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmgen.algebra import expression, functions
    from lstmgen.targets.cupy import interpreter
    from lstmgen.typeset import formula

    page = (Path(__file__).parents[2] / "docs" / "adding-a-function.md").read_text("utf-8")
    source = page.split("```python\n")[1].split("```")[0]
    entry = eval(source, {**vars(formula), **vars(expression), **vars(functions)})
    # What the table's module makes of its entries at import.
    for table, key in (
        (FUNCTIONS, entry.name),
        (functions.BY_NOTATION, entry.notation),
        *((BY_WORD, word) for word in (entry.name, *entry.words)),
    ):
        monkeypatch.setitem(table, key, entry)
    monkeypatch.setitem(notation.CLASSES, entry.name, notation._function(entry))
    interpreter._helpers.cache_clear()
    h, x, W, b = symbols("h x W b")
    cell = Cell("soft", Eq(h[t], lstmgen.softsign(W @ [h[t - 1], x[t]] + b)))
    found = get(target)
    assert found.quick_check(cell, found.files(cell, found.settle({}))) == ()
    interpreter._helpers.cache_clear()
    assert r"\operatorname{softsign}(W \cdot" in cell.latex()
