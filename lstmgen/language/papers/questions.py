"""What a text leaves open, and what was inferred: both as data, put into words in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.errors import EquationError
from lstmgen.language.papers.source import Source


@dataclass(frozen=True, slots=True)
class Answer:
    """One way to read what is open.

    Attributes:
        line: the declaration that settles it so, `W matrix`; or, where none can, what to write
            instead.
        meaning: what is then read.
        is_declaration: whether `line` is a declaration.
    """

    line: str
    meaning: str
    is_declaration: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the text leaves open.

    Attributes:
        position: where it stands in the text.
        seen: what stands there.
        problem: what is open about it.
        answers: the ways to settle it.
    """

    position: int
    seen: str
    problem: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Inference:
    """Something that was concluded from the text, and not declared in it.

    Attributes:
        position: where what it is about first stands.
        seen: what stands there.
        claim: what it is read as.
        reason: why.
        answers: the declarations that settle it, the one that was inferred first.
        is_told: whether users are told even where they do not ask how a text was read.
    """

    position: int
    seen: str
    claim: str
    reason: str
    answers: tuple[Answer, ...]
    is_told: bool = False


class OpenQuestions(EquationError):
    """The text can be read in more than one way; `questions` are all that is open in it."""

    def __init__(self, source: Source, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)
        super().__init__(_text(source, self.questions))


def _more(count: int) -> str:
    return "1 more question" if count == 1 else f"{count} more questions"


def _text(source: Source, questions: Sequence[Question]) -> str:
    """All questions: each with its place, then the lines that answer it."""
    blocks = []
    for number, question in enumerate(questions):
        place = source.place(question.position)
        lines = [f"{source.name}:{place.line}:{place.column}: {question.problem}"]
        if number == 0 and len(questions) > 1:
            lines[0] += f" (and {_more(len(questions) - 1)}, below)"
        lines.append(place.excerpt)
        width = max((len(a.line) for a in question.answers if a.is_declaration), default=0)
        for answer in question.answers:
            if answer.is_declaration:
                lines.append(f"    % lstmgen: {answer.line:<{width}}   {answer.meaning}")
            else:
                lines.append(f"    or write {answer.line}: {answer.meaning}")
        blocks.append("\n".join(lines))
    ask = "add the line that is meant" if len(questions) == 1 else "add the lines that are meant"
    tail = f"{ask} to the text, or give it as --declare '...'"
    has_lines = any(a.is_declaration for q in questions for a in q.answers)
    return "\n".join([*blocks, tail] if has_lines else blocks)
