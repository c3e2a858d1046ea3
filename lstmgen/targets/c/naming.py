"""Names in the C text, and sizes as its expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from lstmgen.form.normal_form import NormalForm
from lstmgen.targets.common.interface import Identifiers
from lstmgen.templates_folder import template_folder

__all__ = ["Naming", "padded", "padded_sum", "reserved", "vectors_in"]

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void
volatile while asm typeof linux unix near far complex imaginary I real
""".split()
_LIBRARY = """
acos acosh asin asinh atan atan2 atanh carg cbrt ceil cimag conj copysign cos cosh cproj creal div
erf erfc exp exp2 expm1 fabs fdim floor fma fmax fmin fmod frexp hypot ilogb j0 j1 jn labs ldexp
lgamma llrint llround log log10 log1p log2 logb lrint lround memcpy memmove memset nan nearbyint
nextafter nexttoward pow remainder remquo rint round scalbln scalbn signbit significand sin sinh
sqrt tan tanh tgamma trunc y0 y1 yn abs abort exit free malloc NULL NAN INFINITY softplus
""".split()
_MACROS = """
NULL NAN INFINITY HUGE HUGE_VAL HUGE_VALF HUGE_VALL MATH_ERRNO MATH_ERREXCEPT MAXFLOAT M_E M_LOG2E
M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2 LSTMGEN_DOUBLE
LSTMGEN_NUMPY LSTMGEN_DECLARATIONS EOF offsetof INT_MAX LONG_MAX SIZE_MAX BUFSIZ WCHAR_MAX WCHAR_MIN
INT8_MAX INT16_MAX INT32_MAX INT64_MAX UINT8_MAX UINT16_MAX UINT32_MAX UINT64_MAX INTMAX_MAX
INTPTR_MAX UINTPTR_MAX PTRDIFF_MAX INT8_MIN INT16_MIN INT32_MIN INT64_MIN INTMAX_MIN INTPTR_MIN
""".split()
_PREFIXES = ("blocks_", "last_", "tape_", "room_", "chunk_", "padded_")
# What the functions around the statements use.
_LOCAL = """
m s p x t n k rows steps row unit parts order batch restart lengths first state y dy tape work
last dstate dparams dx dstate0 again all T B chunks in_order adjoint_panels operand_turned
begins count made kept room packed
""".split()


@cache
def reserved() -> frozenset[str]:
    """Names that a variable of the generated text must not have."""
    text = (template_folder() / "c_common.h.j2").read_text(encoding="utf-8")
    found: set[str] = set()
    for line in text.splitlines():
        if line.startswith(("INLINE", "HELPER", "static", "typedef", "}", "enum")):
            found.update(re.findall(r"(\w+)(?= *(?:\(|;|\[|__attribute__| =))", line))
    return _macros() | {*found, *_LIBRARY, *_LOCAL}


@cache
def _macros() -> frozenset[str]:
    """Names that no member of a struct can have."""
    found = {*_KEYWORDS, *_MACROS}
    for name in ("c.c.j2", "c_common.h.j2"):
        text = (template_folder() / name).read_text(encoding="utf-8")
        found.update(re.findall(r"#define (\w+)", text))
    return frozenset(found)


def padded(size: str) -> str:
    """A size in whole vectors."""
    return f"padded_{size}"


def padded_sum(sizes: Sequence[str], *, inside: bool = False) -> str:
    """The sum of padded sizes; in parentheses if it is one, unless it stands `inside` others."""
    counts: dict[str, int] = {}
    for size in sizes:
        counts[size] = counts.get(size, 0) + 1
    terms = [padded(s) if n == 1 else f"{n} * {padded(s)}" for s, n in counts.items()]
    text = " + ".join(terms)
    return text if inside or re.fullmatch(r"\w+", text) else f"({text})"


def vectors_in(sizes: Sequence[str]) -> str:
    """How many vectors padded sizes are together."""
    several = len(set(sizes)) > 1
    return f"{padded_sum(sizes, inside=not several)} / LANES" if sizes else "0"


class Naming:
    """Members of the memory's struct, and what local variables must not be called."""

    def __init__(self, form: NormalForm) -> None:
        self.scalars = frozenset(form.scalars)
        sizes = Identifiers(reserved())
        names = sorted({*form.sizes.values(), *form.extra_sizes, *form.input_sizes})
        self._sizes = {size: sizes(size) for size in names}
        taken = {*map(padded, names), *self._sizes.values()}
        self.reserved = reserved() | taken
        self._members = Identifiers(self.reserved)
        self._public = Identifiers(_macros())

    def member(self, name: str, kind: str = "array") -> str:
        """The member for an array or a parameter."""
        if name.startswith(_PREFIXES):  # as other members are
            name = f"of_{name}"
        return self._members(name, kind)

    def size(self, name: str) -> str:
        """The variable of a size."""
        return self._sizes[name]

    def public(self, name: str) -> str:
        """The member of the public structs."""
        return self._public(name)

    def before(self, name: str) -> str:
        """The member for a state as steps start from it."""
        return self.member(f"{name}_before", "before")
