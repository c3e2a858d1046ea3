"""One token of a module's Python, C or CUDA text changed, at random; or a statement dropped."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OTHER = {
    "+": "-", "-": "+", "*": "+", "/": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "+=": "=", "-=": "+=", "&&": "||", "||": "&&", "!": "",
    "and": "or", "or": "and", "not": "", "in": "not in", "is": "is not",
    "True": "False", "False": "True", "None": "0", "0": "1", "1": "0", "2": "3",
    "if": "if not", "while": "if", "return": "pass; return", "continue": "break",
    "break": "continue", "min": "max", "max": "min", "least": "most", "most": "least",
    "zeros": "ones", "empty": "zeros", "reversed": "list", "H": "D", "D": "H", "B": "T",
    "T": "B", "steps": "n", "rows": "n", "size": "1", "begins": "ends", "ends": "begins",
    "h": "x", "row": "0", "lo": "hi", "hi": "lo", "dy": "x", "dot": "multiply", "add": "subtract",
    "multiply": "add", "tanh": "sin", "exp": "expm1", "ValueError": "KeyError",
    "TypeError": "KeyError",
}  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+\.\d+|\d+|<=|>=|==|!=|\+=|-=|&&|\|\||[-+*/<>!]")
_PYTHON_QUIET = re.compile(
    r'"""(?:.|\n)*?"""|f?"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*|\bnp\.\w+|\bcp\.cuda\.\w+'
)
_C_QUIET = re.compile(
    r"//[^\n]*|/\*(?:.|\n)*?\*/|\"[^\"\n]*\"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|typedef[^;]*;",
    re.MULTILINE,
)
_CONTROL = re.compile(
    r"(?:if|for|while|switch|SIZES)\b|(?:else|do|UNROLL)\b|case\b[^:;]*:|default\s*:"
)
_DROPPED = re.compile(  # assignments and calls: without a declaration nothing would compile
    r"(?!(?:return|NAME|KEEP|__builtin_prefetch)\b)"  # the last two are for speed alone
    r"[*(]*\w+(?:\[[^;]*?\]|\.\w+|->\w+|\))*\s*(?:[-+*/%|&^<>]{0,2}=(?!=)|\+\+|--|\()"
)
_NOT_IN_C = frozenset("if while return and or not in is True False None continue break".split())


@dataclass(frozen=True)
class TokenMutant:
    """A changed text, and where."""

    change: str
    text: str


def python_mutants(text: str, count: int, seed: int, apart: frozenset[str]) -> list[TokenMutant]:
    """Of the bodies of functions, but for those in `apart`, and of the text of kernels."""
    kernels = re.search(r'_KERNELS = r"""\n(?:.|\n)*?\n"""\n', text)
    places = [*_places(text, _PYTHON_QUIET, _functions(text, apart), frozenset())]
    if kernels:
        inside = [(kernels.start() + 18, kernels.end() - 5)]
        found = [*_places(text, _C_QUIET, inside, _NOT_IN_C)]
        return [
            *_chosen(text, found, count - count // 2, seed),
            *_chosen(text, places, count // 2, seed),
        ]
    return _chosen(text, places, count, seed)


def c_mutants(
    text: str, count: int, seed: int, used: Sequence[tuple[int, int]]
) -> list[TokenMutant]:
    """Of C text, in the spans of the functions that are used; a quarter are dropped statements."""
    dropped = dropped_statements(text, count - 3 * count // 4, seed, used)
    places = [*_places(text, _C_QUIET, used, _NOT_IN_C)]
    return [*_chosen(text, places, count - len(dropped), seed), *dropped]


def dropped_statements(
    text: str, count: int, seed: int, used: Sequence[tuple[int, int]]
) -> list[TokenMutant]:
    """The text without one assignment or call, some of those in the spans."""
    spans = [span for span in _statements(text, used) if _DROPPED.match(text, span[0])]
    chosen = random.Random(seed).sample(spans, min(count, len(spans)))
    found = []
    for start, end in chosen:
        line = text.count("\n", 0, start) + 1
        statement = " ".join(text[start:end].split())
        made = text[:start] + ";" + text[end:]
        found.append(TokenMutant(f"line {line}: dropped: {statement}", made))
    return found


def _statements(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where the statements lie that end with a semicolon, those after `if (...)` among them."""
    text = _C_QUIET.sub(lambda match: " " * len(match[0]), text)
    for at, end in spans:
        while at < end:
            if text[at].isspace() or text[at] in "{};":
                at += 1
            elif control := _CONTROL.match(text, at):
                at = control.end()
                if control[0] in ("if", "for", "while", "switch", "SIZES"):
                    at = _behind(text, text.index("(", at))
            else:
                start = at
                while text[at] != ";":
                    at = _behind(text, at) if text[at] in "({[" else at + 1
                at += 1
                yield start, at


def _behind(text: str, at: int) -> int:
    """Behind the bracket that closes the one at a place."""
    depth = 0
    while True:
        depth += (text[at] in "({[") - (text[at] in ")}]")
        at += 1
        if not depth:
            return at


def _functions(text: str, apart: frozenset[str]) -> list[tuple[int, int]]:
    """Where the functions and classes of a module lie."""
    found = []
    for match in re.finditer(
        r"^(?:def|class) (\w+)[^\n]*\n(?:[ \t)][^\n]*\n|\n)*", text, re.MULTILINE
    ):
        if match[1] not in apart:
            found.append((text.index("\n", match.start()), match.end()))
    return found


def _places(
    text: str,
    quiet: re.Pattern[str],
    spans: Sequence[tuple[int, int]],
    unknown: frozenset[str],
) -> Iterator[tuple[int, str]]:
    silent = bytearray(len(text))
    for match in quiet.finditer(text):
        silent[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    for start, end in spans:
        for match in _TOKEN.finditer(text, start, end):
            if not silent[match.start()] and match[0] in _OTHER and match[0] not in unknown:
                yield match.start(), match[0]


def _chosen(text: str, places: list[tuple[int, str]], count: int, seed: int) -> list[TokenMutant]:
    """Tokens of all kinds alike, so that rare ones are tried as often as common ones."""
    generator = random.Random(seed)
    kinds: dict[str, list[int]] = {}
    for at, token in places:
        kinds.setdefault(token, []).append(at)
    found: dict[tuple[int, str], TokenMutant] = {}
    for _ in range(50 * count):
        if len(found) == count:
            break
        token = generator.choice(sorted(kinds)) if generator.random() < 0.5 else None
        at, token = (
            generator.choice(places) if token is None else (generator.choice(kinds[token]), token)
        )
        new = _OTHER[token]
        line = text.count("\n", 0, at) + 1
        whole = text.splitlines()[line - 1].strip()
        change = f"line {line}: {token} -> {new or 'nothing'} in: {whole}"
        found[at, token] = TokenMutant(change, text[:at] + new + text[at + len(token) :])
    return list(found.values())
