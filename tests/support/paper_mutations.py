"""Texts of cells with mistakes in them: whatever they are, a cell comes of them or a clean error.

Run as a program it draws many: `python tests/support/paper_mutations.py 10000`.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections import Counter
from pathlib import Path

from paper_notations import printed

from lstmgen import load
from lstmgen.errors import EquationError
from lstmgen.language.papers import OpenQuestions
from lstmgen.library.loading import names
from lstmgen.library.texts import read_tex

CORPUS = Path(__file__).parents[1] / "language" / "corpus"
LONGEST = 30_000  # of a message: all that is open in a large cell, at once
TOKENS = (
    r"\sigma \tanh \exp \log \max \odot \cdot \times \ast \star \bullet * + - = / @ ^ _ { } ( "
    r") [ ] , ; | \| \\ & \left \right \frac \sqrt \sqrt[3] \tilde \hat \dot \mathbf \bf {\rm "
    r"} \mathrm{in} \operatorname{relu} \operatorname{foo} \alpha \gamma^ \Delta \top ' '' ^T "
    r"^{-1} ^2 ^{(1)} ^{<t>} ^{\langle t h x W b c I e t n l _t _{t-1} _{t+1} _{t-2} (t) "
    r"(t-1) [t-1] [n] 0.5 2 1e-5 1e999 99999999999999999999 h_t x_t h_{t-1} W_f h_0 h^{l-1}_t "
    r"\begin{align} \end{align} \begin{bmatrix} \end{bmatrix} \begin{cases} \end{cases} "
    r"\begin{array}{c} $$ $ \[ \] % # lstmgen: scalar vector matrix output \text{a} \text{if} "
    r"\text{where$ \quad \qquad \tag{1} (1) \in \mathbb{R}^n \mathbb{1} \dots \forall σ ⊙ ∘ · "
    r"ₜ ₋₁ ᵀ ² ∈ ℝ \lvert \rvert g(a) ~ é ͏ \mathcal \newcommand{\a}{\a} "
    r"\newcommand{\b}[2]{#1#2#1} \b \a \def\c#1{#1} \c \let\d=\e __import__('os') "
    r"\input{/etc/passwd} \write18{ls} \sum_j \int :math:` .. ```math \{ \} \| <> diag( "
    r"concat( softmax( np.tanh( .T h' h_{new} := <- && \cr \hline \label{ \ref{"
).split(" ")


def seeds(chance: random.Random) -> list[str]:
    """Texts to begin with: the corpus, and cells of the library in drawn notations."""
    files = [p for folder in ("read", "ask") for p in sorted((CORPUS / folder).iterdir())]
    texts = [p.read_text(encoding="utf-8") for p in files if p.suffix not in (".py", ".tsv")]
    return texts + [printed(load(name), chance) for name in names() for _ in range(2)]


def mutated(chance: random.Random, text: str) -> str:
    """The text with one or two small changes."""
    for _ in range(chance.randint(1, 2)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.randint(0, 6))
        kind = chance.random()
        if kind < 0.4:
            new = chance.choice(TOKENS)
        elif kind < 0.55:
            new = chr(chance.choice([chance.randint(32, 126), chance.randint(0, 0x2FFF)]))
        elif kind < 0.8:
            other = chance.randrange(len(text) + 1)
            new = text[other : other + chance.randint(0, 25)]
        else:
            new = ""
        text = text[:start] + new + text[end if chance.random() < 0.6 else start :]
    return text


def random_text(chance: random.Random) -> str:
    """Signs in any order, perhaps behind the beginning of an equation."""
    text = " ".join(chance.choice(TOKENS) for _ in range(chance.randint(1, 20)))
    return chance.choice(["", "h_t = ", "h_t = h_{t-1} + ", "$$ h_t = x_t + "]) + text


def outcome(text: str) -> str:
    """ "cell", "question" or "refusal"; whatever else is raised is a fault."""
    try:
        read_tex(text, name="cell")
    except EquationError as error:
        kind = "question" if isinstance(error, OpenQuestions) else "refusal"
        length = len(str(error))
    else:
        return "cell"
    assert length < LONGEST, length
    return kind


def main(count: int, seed: int = 0) -> int:
    """Read `count` mutated texts; the number of those that raised what is no message."""
    chance = random.Random(seed)
    begin = seeds(chance)
    found: Counter[str] = Counter()
    for k in range(count):
        text = random_text(chance) if k % 4 == 0 else mutated(chance, chance.choice(begin))
        try:
            found[outcome(text)] += 1
        except Exception:
            found["fault"] += 1
            print(f"--- {text!r}\n{traceback.format_exc(limit=-4)}")
    print(", ".join(f"{n} {kind}" for kind, n in sorted(found.items())))
    return found["fault"]


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
