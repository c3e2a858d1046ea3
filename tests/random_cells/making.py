"""Random whole cells.

Everything is drawn from a `random.Random`, so that Hypothesis can make one that shrinks
(`strategies.randoms`), and a long run one from a seed.  Sizes are planned first, so that nearly
every cell that is made is one that lstmgen takes; what it refuses is a cell with sizes that do not
fit, or one in which nothing recurs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from lstmgen.algebra.functions import FUNCTIONS

from .declaration import Declaration
from .names import SIZES, rename

CALLS = tuple(f for f in FUNCTIONS.values() if f.is_offered)
"""What equations may call."""
_USUAL = ("tanh", "sigma", "sigma", "tanh", "relu")
_NUMBERS = (
    "2 3 0.5 1 -1 0.1 4 -0.25 sympy.Rational(1,3) sympy.pi 1e-2 sympy.E sympy.sqrt(2)".split()
)
_EXPONENTS = "2 3 2 4 5 -1 -2 0.5 1.5 -0.5 sympy.Rational(1,3)".split()


def random_cell(rng: random.Random) -> Declaration:
    """One declaration."""
    return _Maker(rng).declaration()


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._weights: dict[str, tuple[str, tuple[str, ...]]] = {}  # rows, columns
        self._vectors: dict[str, str] = {}  # per-unit parameter -> size
        self._scalars: list[str] = []
        self._now: dict[str, str] = {}  # what is defined so far, and its size
        self._early: dict[str, str] = {}  # of these, what depends on inputs alone
        self._kind = "any"
        self._count = 0

    def declaration(self) -> Declaration:
        rng = self._rng
        self._plan()
        equations = []
        for name, size in self._planned.items():
            before = rng.randrange(5) == 0 and bool(self._inputs_of(size, anywhere=True))
            self._kind = "early" if before else "now" if rng.randrange(6) == 0 else "any"
            right = self._equation(name, size)
            if "[t]" not in right and "[t-1]" not in right:
                right += f" + {self._value(size)}"
            equations.append((name, right))
            self._now[name] = size
            if "[t-1]" not in right and all(
                v in self._early or v in self._inputs for v in re.findall(r"(\w+)\[t\]", right)
            ):
                self._early[name] = size
        output = list(self._planned)[-1] if rng.randrange(5) else rng.choice(list(self._planned))
        equations = self._completed(equations, output)
        return self._finish(equations, output)

    def _plan(self) -> None:
        """Inputs and defined vectors with their sizes."""
        rng = self._rng
        count = rng.choice((1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8))
        extra = rng.choice(("", "", "", "", "P", "P", "PQ"))
        self._inputs: dict[str, str] = {}
        for name in ["x", "x2", "x3"][: rng.choice((1, 1, 1, 2, 2, 3))]:
            tied = rng.randrange(3) == 0
            own = "D" if rng.randrange(4) else "D2"
            self._inputs[name] = rng.choice(["H", *extra]) if tied else own
        # One number for each row and step: of the size of what it is combined with.
        single = [name for name in self._inputs if rng.randrange(6) == 0]
        self._single = [name for name in single if len(self._inputs) > 1 and name != "x"]
        for name in self._single:
            self._inputs[name] = "H"
        sizes = ["H"] * 5 + [*extra] * 2 + [s for s in self._inputs.values() if s[0] == "D"][:1]
        self._planned = {f"v{k}": rng.choice(sizes) for k in range(count - 1)}
        self._planned["h"] = "H" if rng.randrange(8) else rng.choice(["H", *extra])
        self._declared = [s for s in ("P", "Q") if s in extra]

    # Equations

    def _equation(self, name: str, size: str) -> str:
        rng = self._rng
        kind = rng.randrange(12)
        if kind == 0:  # a copy
            return self._value(size)
        if kind == 1 and size[0] != "D":  # an accumulator
            return f"{self._factor(size)}*{name}[t-1] + {self._vector(size, 2)}"
        if kind in (2, 3) and size[0] != "D":
            gate = f"sigma({self._affine(size, 2)})"
            old = f"{name}[t-1]" if self._kind == "any" else self._value(size)
            then = rng.choice((f"(1 - {gate})*", "tanh"))
            return f"{gate}*{old} + {then}({self._vector(size, 2)})"
        if kind in (4, 5, 6):
            return f"{rng.choice(_USUAL)}({self._affine(size, 2)})"
        if kind == 7:
            return self._affine(size, 3)
        return self._vector(size, rng.randrange(2, 8))

    def _factor(self, size: str) -> str:
        return self._rng.choice((self._scalar(), self._per_unit(size), "0.5", "1"))

    # Expressions of a size; `budget` is about the number of operations

    def _vector(self, size: str, budget: int) -> str:
        rng = self._rng
        if budget <= 0:
            return self._leaf(size)
        left = rng.randrange(budget)
        kind = rng.randrange(20)
        if kind < 4:
            return f"({self._vector(size, left)} {rng.choice('+-')} " + (
                f"{self._vector(size, budget - 1 - left)})"
            )
        if kind < 8:
            return f"({self._vector(size, left)} * {self._vector(size, budget - 1 - left)})"
        if kind == 8:
            below = self._vector(size, budget - 1 - left)
            below = rng.choice((f"(1 + ({below})**2)", f"({below})", f"(2 + tanh({below}))"))
            return f"({self._vector(size, left)} / {below})"
        if kind == 9:
            return f"(-{self._vector(size, budget - 1)})"
        if kind == 10:
            return self._power(size, budget - 1)
        if kind == 11:
            return f"(1 - {rng.choice(_USUAL)}({self._vector(size, budget - 1)}))"
        if kind < 15:
            return self._affine(size, budget - 1)
        return self._call(size, budget - 1)

    def _call(self, size: str, budget: int) -> str:
        rng = self._rng
        if rng.randrange(3) == 0:
            return f"{rng.choice(_USUAL)}({self._vector(size, budget)})"
        function = rng.choice(CALLS)
        arity = function.arity
        if function.domain is not None and rng.randrange(6):
            return f"{function.notation}({self._positive(size, budget)})"
        if function.repeats:
            arity += rng.randrange(4) == 0
            arguments = [self._vector(size, budget // arity) for _ in range(arity)]
            if rng.randrange(4) == 0:
                arguments[-1] = rng.choice(("0", "0.5", self._scalar()))
        else:
            arity -= rng.randrange(len(function.defaults) + 1)
            arguments = [self._vector(size, budget), *self._constants(size, arity - 1)]
        return f"{function.notation}({', '.join(arguments)})"

    def _constants(self, size: str, count: int) -> list[str]:
        """Further arguments, in ascending order if they are numbers: slopes, or borders."""
        if self._rng.randrange(2):
            return ["-0.3", "0.4"][-count:] if count else []
        return [
            self._rng.choice((self._scalar(), self._per_unit(size), self._value(size)))
            for _ in range(count)
        ]

    def _positive(self, size: str, budget: int) -> str:
        inner = self._vector(size, budget - 1)
        return self._rng.choice(
            (f"exp({inner})", f"softplus({inner})", f"sigma({inner})", f"(1 + ({inner})**2)",
             f"(Abs({inner}) + 0.5)")
        )  # fmt: skip

    def _power(self, size: str, budget: int) -> str:
        rng = self._rng
        kind = rng.randrange(4)
        if kind:
            exponent = rng.choice(_EXPONENTS)
            whole = exponent.lstrip("-").isdigit()
            if whole and not exponent.startswith("-"):
                return f"({self._vector(size, budget)})**{exponent}"
            return f"({self._positive(size, budget)})**({exponent})"
        raised = rng.choice((self._scalar(), self._per_unit(size), self._vector(size, 0)))
        return f"({self._positive(size, budget)})**({raised})"

    def _affine(self, size: str, budget: int) -> str:
        rng = self._rng
        text = self._product(size, budget)
        if rng.randrange(4) == 0:
            text += f" {rng.choice('+-')} {self._product(size, budget - 1)}"
        if rng.randrange(5) < 2:
            text += f" + {self._per_unit(size)}"
        elif rng.randrange(8) == 0:
            text += f" - {self._vector(size, 1)}"
        return f"({text})"

    def _product(self, size: str, budget: int) -> str:
        rng = self._rng
        if rng.randrange(4) == 0:
            back = [(w, rows) for w, (rows, columns) in self._weights.items() if columns == (size,)]
            if back and rng.randrange(2):
                weight, rows = rng.choice(back)
                return f"{weight}.T @ {self._operand(rows, budget)}"
            again = [w for w, (rows, _) in self._weights.items() if rows == size]
            if again:
                weight = rng.choice(again)
                return self._times(weight, budget)
        columns = tuple(self._any_size() for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))
        weight = f"W{len(self._weights)}"
        self._weights[weight] = (size, columns)
        return self._times(weight, budget)

    def _times(self, weight: str, budget: int) -> str:
        columns = self._weights[weight][1]
        operands = [self._operand(size, budget) for size in columns]
        if len(operands) == 1 and self._rng.randrange(2):
            return f"{weight} @ {operands[0]}"
        return f"{weight} @ [{', '.join(operands)}]"

    def _operand(self, size: str, budget: int) -> str:
        if budget > 1 and self._rng.randrange(6) == 0:
            inner = self._vector(size, 1)
            single = any(f"{name}[t]" in inner for name in self._single)
            timed = "[" in inner and not single
            return f"({inner})" if timed else f"({inner} * {self._value(size, single=False)})"
        return self._value(size, single=False)

    def _any_size(self) -> str:
        """The size of some vector that may be used here."""
        sizes = [size for _, size in self._usable(None, single=False)]
        return self._rng.choice(sizes) if sizes else "H"

    # Leaves

    def _leaf(self, size: str) -> str:
        kind = self._rng.randrange(12)
        if kind == 0:
            return self._per_unit(size)
        if kind == 1:
            return self._scalar()
        if kind == 2:
            return f"({self._rng.choice(_NUMBERS)})"
        return self._value(size)

    def _value(self, size: str, *, single: bool = True) -> str:
        """A vector of this size at t or t-1; where it is not `single`, one that @ can multiply."""
        found = [text for text, _ in self._usable(size, single=single)]
        if found:
            return self._rng.choice(found)
        # Nothing of this size is there yet: a matrix makes it of what is.
        weight = f"W{len(self._weights)}"
        column = self._any_size()
        self._weights[weight] = (size, (column,))
        operands = [text for text, _ in self._usable(column, single=False)]
        return f"({weight} @ {self._rng.choice(operands)})"

    def _usable(self, size: str | None, *, single: bool = True) -> list[tuple[str, str]]:
        """The vectors that may be used now, of a size if one is given."""
        found = list(self._inputs.items()) + list(
            (self._early if self._kind == "early" else self._now).items()
        )
        texts = [(f"{name}[t]", of) for name, of in found]
        if not single:
            texts = [(text, of) for text, of in texts if text[:-3] not in self._single]
        if self._kind == "any":
            states = [(name, of) for name, of in self._planned.items() if of[0] != "D"]
            texts += [(f"{name}[t-1]", of) for name, of in states]
        return [(text, of) for text, of in texts if size in (None, of)]

    def _inputs_of(self, size: str, *, anywhere: bool) -> list[str]:
        return [x for x, of in self._inputs.items() if anywhere or of == size]

    def _per_unit(self, size: str) -> str:
        made = [b for b, of in self._vectors.items() if of == size]
        if made and self._rng.randrange(4) == 0:
            return self._rng.choice(made)
        name = f"b{len(self._vectors)}"
        self._vectors[name] = size
        return name

    def _scalar(self) -> str:
        if not self._scalars or (len(self._scalars) < 4 and self._rng.randrange(2)):
            self._scalars.append(f"c{len(self._scalars)}")
        return self._rng.choice(self._scalars)

    # What a cell must have

    def _completed(self, equations: list[tuple[str, str]], output: str) -> list[tuple[str, str]]:
        """With a state and an input."""
        text = " ".join(right for _, right in equations)
        if not any(f"{name}[t-1]" in text for name in self._planned):
            name, right = equations[-1]
            name_of = next((n for n, s in self._planned.items() if s == self._planned[name]), name)
            equations[-1] = (name, f"{right} + 0.5*{name_of}[t-1]")
        if not any(f"{name}[t]" in text for name in self._inputs):
            name, right = equations[-1]
            equations[-1] = (name, f"{right} + tanh(W_in @ [x[t]])")
        return equations

    def _finish(self, equations: Sequence[tuple[str, str]], output: str) -> Declaration:
        rng = self._rng
        text = " ".join(right for _, right in equations)
        names = list(SIZES[:2])
        if rng.randrange(4) == 0:
            names = rng.sample(SIZES, 2)
        called = dict(zip("PQ", names, strict=True))
        sizes = tuple(
            (name, called[size])
            for name, size in {**self._planned, **self._inputs}.items()
            if size in called and (name in self._planned or f"{name}[t]" in text)
        )
        made = Declaration(
            tuple(equations),
            tuple(c for c in (*self._scalars, *self._single) if re.search(rf"\b{c}\b", text)),
            output,
            sizes,
        )
        if rng.randrange(2):
            made = Declaration(
                made.equations, made.scalars, output, sizes, rename(rng, made.symbols)
            )
        return made
