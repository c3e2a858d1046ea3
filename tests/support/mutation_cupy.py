"""Mutants of a generated CuPy module: small mistakes in its kernels and in what calls them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A changed source; `kind` is the kind of mistake and `change` says where it is."""

    kind: str
    change: str
    source: str


@dataclass(frozen=True)
class Operator:
    """A mistake: what it finds, and what it puts there (one for each place, or several)."""

    kind: str
    pattern: str
    replace: Callable[[re.Match[str]], str | tuple[str, ...]]

    def apply(self, text: str) -> Iterator[tuple[str, str]]:
        """The change in words, and the text with it, for every place."""
        for match in re.finditer(self.pattern, text, re.MULTILINE):
            made = self.replace(match)
            for new in (made,) if isinstance(made, str) else made:
                if new != match[0]:
                    line = text.count("\n", 0, match.start()) + 1
                    yield (
                        f"line {line}: {match[0].strip()} -> {new.strip()}",
                        text[: match.start()] + new + text[match.end() :],
                    )


def _swapped(match: re.Match[str]) -> tuple[str, ...]:
    """Each two neighbours of a tuple in each other's place."""
    items = match["items"].rstrip(",").split(", ")
    found = []
    for k in range(len(items) - 1):
        if items[k] != items[k + 1]:
            order = [*items[:k], items[k + 1], items[k], *items[k + 2 :]]
            found.append(match[0].replace(match["items"], ", ".join(order)))
    return tuple(found)


def _shifted(match: re.Match[str]) -> tuple[str, ...]:
    """A neighbouring unit, another column."""
    access = match[0]
    found = [access.replace(" + j", " + j + 1")]
    if " + H + j" in access:
        found += [access.replace(" + H + j", " + j"), access.replace(" + H + j", " + 2 * H + j")]
    return tuple(found)


KERNELS = (
    Operator("missing bound check", r"^  if \(j >= \w+\) return;\n", lambda m: ""),
    Operator(
        "index off by one",
        r"if \(j >= (\w+)\) return",
        lambda m: (f"if (j > {m[1]}) return", f"if (j >= {m[1]} - 1) return"),
    ),
    Operator("wrong row count", r"row < rows", lambda m: ("row <= rows", "row < rows - 1")),
    Operator(
        "wrong grid stride",
        r"row \+= gridDim\.y \* blockDim\.y",
        # The last is no loop: each block takes its first rows alone.
        lambda m: (
            "row += blockDim.y",
            "row += gridDim.y",
            "row += 2 * gridDim.y * blockDim.y",
            "row += rows",
        ),
    ),
    Operator(
        "stray read",
        r"value\.at\[v\] = v < left \? p\[v\] : real\(0\);",
        lambda m: "value.at[v] = p[v] != real(0) && v < left ? p[v] : real(0);",
    ),
    Operator(  # of the unit behind a row, of whatever value
        "stray read",
        r"^    const Pack<n> \w+ = load<n>\(([^;]*), left\);$",
        lambda m: f"{m[0]} if (*({m[1]} + left) == real(123.25)) continue;",
    ),
    Operator("wrong row", r" \+ threadIdx\.y; row", lambda m: "; row"),
    Operator("wrong row", r"blockIdx\.y \* blockDim\.y \+", lambda m: "blockIdx.y +"),
    Operator("index off by one", r"(?:load|store)<n>\(p_\w+ \+ row[^;]* \+ j\b", _shifted),
    Operator(
        "wrong stride",
        r"row \* \((\d) \* H\)",
        lambda m: (f"row * ({int(m[1]) - 1} * H)", f"row * ({int(m[1]) + 1} * H)"),
    ),
    Operator("dropped store", r"^    store<n>\([^\n]*\n", lambda m: ""),
    Operator(
        "swapped operand", r"\(real\(1\) - (\w+(?:\.at\[v\])?)\)", lambda m: f"({m[1]} - real(1))"
    ),
    Operator("wrong operator", r"(?<=\]) \+ (?=\w+\.at)", lambda m: " - "),
    Operator("wrong operator", r"(?<=\w) \* (?=\w+(?:\.at\[v\])?;)", lambda m: " + "),
    Operator("dropped factor", r" \* (?!n;)\w+(?:\.at\[v\])?(?=;)", lambda m: ""),
    Operator("wrong function", r"(?<== )(sigmoid|tanh)(?=\()", lambda m: "sin"),
    Operator("wrong function", r"\* tanh(?=\()", lambda m: "* sigmoid"),
    Operator(
        "float for double", r"const real (\w+ = [^;]*\* [^;]*;)", lambda m: f"const float {m[1]}"
    ),
    Operator("double literal", r"\* \(real\(1\) - ", lambda m: "* (1.0 - "),
    Operator(
        "wrong argument type",
        r"int rows, int H\) \{\n  \w+_units<1>",
        lambda m: m[0].replace("int rows", "long long rows"),
    ),
    Operator(
        "wrong argument type",
        r"int rows, int H\) \{\n  \w+_units<1>",
        lambda m: m[0].replace("int H", "float H"),
    ),
    Operator("wrong width", r"16 / sizeof", lambda m: "8 / sizeof"),
    Operator("wrong width", r"threadIdx\.x\) \* n", lambda m: "threadIdx.x)"),
    Operator(
        "wide loads of odd rows",
        r" && reinterpret_cast<size_t>\(p\) % sizeof\(Pack<n>\) == 0",
        lambda m: "",
    ),
    Operator("wide loads beyond a row", r"left >= n && ", lambda m: ""),
    Operator("missing end of a row", r"^    if \(v < left\) p\[v\] =[^\n]*\n", lambda m: ""),
    Operator("missing bound check", r"if \(v < left\) p\[v\]", lambda m: "p[v]"),
    Operator("index off by one", r"(\w+ - j);", lambda m: (f"{m[1]} - 1;", f"{m[1]} + 1;")),
    Operator("index off by one", r"(?<=^  for \(int v = 0; v < n);", lambda m: " - 1;"),
    Operator(
        "index off by one",
        r"(?<=^    for \(int v = 0; )v < n;",
        lambda m: ("v < n - 1;", "v <= n;"),
    ),
    Operator("wrong place", r"_out\.at\[v\] = \w+;", lambda m: m[0].replace("[v]", "[0]")),
)
"""Mistakes in the kernels' text.

Not among them, as they change no number: a launch for too many rows, or for too few blocks of rows
(the kernels' loop over the rows takes what is left); more units in a load, so that threads are
left over; loads beyond the end of a row, of what is not stored."""

HOST = (
    Operator("missing accumulation", r", beta=1\.0", lambda m: ""),
    Operator(
        "accumulated in vain",
        r"(?<=^            )(gemm\([^\n]*out=\w+)\)",
        lambda m: f"{m[1]}, beta=1.0)",
    ),
    Operator("dropped product", r"^            gemm\([^\n]*\n", lambda m: ""),
    Operator("dropped product", r"^    gemm\([^\n]*\n", lambda m: ""),
    Operator(
        "dropped launch", r"^            \w+ward_\w+\([^\n]*\n", lambda m: "            pass\n"
    ),
    Operator(
        "wrong transposition",
        r'gemm\("N", "T", (\w+_t|\w+_prev|\w)',
        lambda m: m[0].replace('"T"', '"N"'),
    ),
    Operator("wrong transposition", r'^ +gemm\("N", "N"', lambda m: m[0].replace('"N"', '"T"', 1)),
    Operator(
        "wrong argument type", r"np\.int32\(H\)", lambda m: ("H", "np.int64(H)", "np.float32(H)")
    ),
    Operator("wrong argument type", r"np\.int32\(n\)(?=, np|,$)", lambda m: ("n", "np.int64(n)")),
    Operator(
        "wrong row count",
        r"np\.int32\(n\)(?=, np|,$)",
        lambda m: ("np.int32(n - 1)", "np.int32(n + 1)"),
    ),
    Operator("wrong argument order", r"fixed_\w+ = \((?P<items>[^\n]*?),?\)$", _swapped),
    Operator(
        "wrong argument order", r"^                \((?P<items>(?:tape|work)[^\n]*?)\),$", _swapped
    ),
    Operator("missing argument", r"(?<=fixed_)(\w+ = \()[^\n,]*, ", lambda m: m[1]),
    Operator("stale state", r"(?<=tape\.)(\w+)\[after\]", lambda m: f"{m[1]}[at]"),
    Operator("stale state", r"tape\.start_(\w+)\[start\]", lambda m: f"tape.state_{m[1]}[after]"),
    Operator(
        "stale state",
        r"tape\.previous_(\w+)\[at\](?=, |\))",
        lambda m: f"tape.state_{m[1]}[after]",
    ),
    Operator("stale state", r"(?<=unpack\(run, tape\.)(\w+)\[B:\]", lambda m: f"{m[1]}[:-B]"),
    Operator("stale state", r"(?<=last\(run, tape\.)state_(\w+)", lambda m: f"previous_{m[1]}"),
    Operator(
        "stale state", r"(?<=, )tape\.previous_(\w+)(?=\)  #)", lambda m: f"tape.state_{m[1]}[B:]"
    ),
    Operator("stale state", r"^    rows\.sort\([^\n]*carry_\w+\)\n", lambda m: ""),
    Operator("stale state", r'None if d?state is None else d?state\["\w+"\]', lambda m: "None"),
    Operator("wrong order of steps", r"reversed\(list\(views\)\)", lambda m: "views"),
    Operator(
        "wrong weights",
        r'params\["W_([fiCo])"\]\[',
        lambda m: f'params["W_{"ifoC"["fiCo".index(m[1])]}"][',
    ),
    Operator("wrong columns", r'(?<=params\["W_f"\]\[:, ):H\]', lambda m: "H:2 * H]"),
    Operator("wrong rows", r"= outer\[:H\]", lambda m: "= outer[H:2 * H]"),
    Operator("wrong rows", r"= sums\[:H\]", lambda m: "= sums[H:2 * H]"),
    Operator("dropped store", r'^    dparams\["\w+"\]\[[^\n]*\n', lambda m: ""),
    Operator(
        "float for double",
        r'"float" if dtype == np\.float32 else "double"',
        lambda m: ('"float"', '"double"'),
    ),
    Operator("float for double", r"key = \(name, dtype\.char\)", lambda m: "key = (name,)"),
    Operator("wrong width", r'name \+ "_wide" if wide else name', lambda m: "name"),
    Operator(
        "wrong launch shape",
        r"-\(-size // self\._wide\) if wide else size",
        lambda m: ("size // self._wide if wide else size", "-(-size // self._wide)"),
    ),
    Operator("wrong launch shape", r"-\(-units // across\)", lambda m: "units // across"),
    Operator(
        "wrong grid",
        r"min\((-\(-rows // down\)), _BLOCKS\)",
        lambda m: (m[1], f"min({m[1]}, 65535)"),
    ),
    Operator("wrong grid", r"^_BLOCKS = 65535", lambda m: ("_BLOCKS = 65536", "_BLOCKS = 0")),
    Operator("layout assumed", r"cp\.ascontiguousarray\((x)\)", lambda m: m[1]),
)
"""Mistakes in the Python around them.

Not among them, as they change no number: the wide kernels for all work; x in another layout
(products copy it where they must)."""


def mutants(source: str, count: int, seed: int) -> list[Mutant]:
    """`count` mutants, chosen by the seed, of every kind in turn, half of them of the kernels."""
    start = source.index('_KERNELS = r"""')
    end = source.index('"""', start + len('_KERNELS = r"""'))
    whole = {
        "kernel": (KERNELS, source[:start], source[start:end], source[end:]),
        "host": (HOST, source[:0], source[:0], source),
    }
    generator = random.Random(seed)
    chosen: list[Mutant] = []
    for share, (operators, before, text, after) in zip(
        (count // 2, count), whole.values(), strict=True
    ):
        by_kind: dict[str, list[tuple[str, str]]] = {}
        for operator in operators:
            found = by_kind.setdefault(operator.kind, [])
            if text:
                found += [(change, before + new + after) for change, new in operator.apply(text)]
            else:
                found += operator.apply(after)
        for places in by_kind.values():
            generator.shuffle(places)
        while len(chosen) < share and any(by_kind.values()):
            for kind, places in by_kind.items():
                if places and len(chosen) < share:
                    chosen.append(Mutant(kind, *places.pop()))
    return chosen
