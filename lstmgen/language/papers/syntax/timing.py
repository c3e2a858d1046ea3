"""Which letter is the index of time, and which counts layers, found in the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.language.papers.source import Source
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import LOWERED, RAISED

_LAYERS = ("l", "ell", "L")
_IN_BRACKETS = frozenset({"t", "n", "k", "m", "i", "j", "s", "tau", "l"})  # h(t), and not f(x)


@dataclass(frozen=True, slots=True)
class Indices:
    """The letter of time, and the letters that count layers."""

    time: str
    layers: frozenset[str]


def indices(source: Source, regions: Sequence[Sequence[Token]]) -> Indices:
    """The letters that stand in an index with a step: h_{t-1}, h(t-1), h^{l-1}."""
    found: dict[str, int] = {}
    for tokens in regions:
        for k, token in enumerate(tokens):
            letter = _stepped(tokens, k)
            if letter is not None and letter not in found:
                found[letter] = token.position
    times = [letter for letter in found if letter not in _LAYERS]
    if "t" in found:
        time = "t"
    elif len(times) == 1:
        time = times[0]
    elif times:
        raise source.error(
            found[times[1]],
            f"both {times[0]}-1 and {times[1]}-1 are used as an index; use one letter for time",
        )
    else:
        time = next(iter(found), "t")
    return Indices(time, frozenset(found.keys() - {time}))


def _stepped(tokens: Sequence[Token], k: int) -> str | None:
    """The letter of an index that goes a step back or ahead at this place."""
    token = tokens[k]
    if token.kind in ("lowered", "raised"):
        table = LOWERED if token.kind == "lowered" else RAISED
        text = "".join(table[c] for c in token.text).strip("()")
        is_step = len(text) > 2 and text[-3].isalpha() and text[-2] in "+-" and text[-1].isdigit()
        return text[-3] if is_step else None
    if token.kind not in ("letter", "greek") or k == 0 or k + 3 >= len(tokens):
        return None
    sign, number, after = tokens[k + 1 : k + 4]
    if sign.kind != "operator" or sign.text not in "+-" or number.kind != "number":
        return None
    if not number.text.isdigit() or len(number.text) > 2:
        return None
    if after.kind != "close" and not (after.kind == "comma" and after.text in (",", ";")):
        return None
    before = tokens[k - 1]
    if before.kind == "comma":
        return token.text if _in_script(tokens, k) else None
    if before.kind != "open":
        return None
    if _in_script(tokens, k):
        return token.text
    holder = tokens[k - 2] if k > 1 else None
    follows = holder is not None and (
        holder.kind in ("letter", "greek", "word", "prime")
        or (holder.kind == "close" and holder.text == "}")
    )
    if follows and before.text in ("(", "[") and token.text in _IN_BRACKETS:
        return token.text
    return None


def _in_script(tokens: Sequence[Token], k: int) -> bool:
    """Whether a token stands in the braces of an index, first or behind a comma."""
    depth = 0
    for j in range(k - 1, max(-1, k - 12), -1):
        if tokens[j].kind == "close":
            depth += 1
        elif tokens[j].kind == "open":
            if depth:
                depth -= 1
            elif j and tokens[j - 1].kind == "script":
                return True
            elif j == 0 or tokens[j - 1].kind != "open":
                return False
    return False


def check_steps(source: Source, regions: Sequence[Sequence[Token]], time: str) -> None:
    """Refuse h_t-1 in plain text, which may be h_{t-1} or h_t - 1."""
    for tokens in regions:
        for k, token in enumerate(tokens[:-3]):
            letter, sign, number = tokens[k + 1 : k + 4]
            if (
                token.kind == "script"
                and letter.text == time
                and sign.text in ("-", "+")
                and number.kind == "number"
                and not (sign.spaced or number.spaced)
            ):
                symbol = tokens[k - 1].text if k else "h"
                step = f"{sign.text}{number.text}"
                raise source.error(
                    letter.position,
                    f"{symbol}_{time}{step} may be {symbol}_{{{time}{step}}} or {symbol}_{time} "
                    f"{sign.text} {number.text}; write it as the one that is meant",
                )
