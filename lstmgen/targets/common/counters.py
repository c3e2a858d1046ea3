"""Counters in C and CUDA text, which tell what of it has run.

The text is that of generated modules: statements are found by their braces and semicolons, and
macros with statements are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

__all__ = ["Counted", "count_statements"]

ARRAY = "lstmgen_ran"
"""The name of the array of counters, one byte each."""

_CONTROL = re.compile(r"(?:if|for|while|switch)\b")
_LABEL = re.compile(r"(?:case\b[^:;]*|default\s*):")
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#(?:[^\n]*\\\n)*[^\n]*)*", re.DOTALL)
_PLACE = re.compile(rf"{ARRAY}\[(\d+)\] = 1;")
_CALL = re.compile(r"\b([A-Za-z_]\w*)(?:<[^<>;]*>)?\s*\(")
_WORD = re.compile(r"[A-Za-z_]\w*")
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


@dataclass(frozen=True)
class Counted:
    """A text with counters.

    Attributes:
        text: it; the array `ARRAY` must be declared in front of it.
        places: for each counter its line in the text that it was made of, and the statement.
        functions: for each counter the function that it is in; empty where that is exported.
    """

    text: str
    places: tuple[str, ...]
    functions: tuple[str, ...]

    def counting(self, chosen: Container[int]) -> str:
        """The text in which the chosen counters count, as CUDA can, and the others are gone."""
        return _PLACE.sub(
            lambda m: f"atomicAdd(&{ARRAY}[{m[1]}], 1ULL);" if int(m[1]) in chosen else "",
            self.text,
        )


def count_statements(text: str) -> Counted:
    """Put a counter in front of each statement of each function that is used.

    Statements one behind the other share one.
    """
    return _Counting(text).done()


def compiled(counted: Counted, preprocessed: str, exported: str) -> set[int]:
    """The counters that the preprocessor has left, in functions that are called.

    `exported` is a part of the names of exported functions.
    """
    counting = _Counting(preprocessed, exported)
    used = counting.used([*counting.functions()])
    left = {int(number) for number in _PLACE.findall(preprocessed)}
    return {k for k in left if not counted.functions[k] or counted.functions[k] in used}


@dataclass
class _Function:
    name: str
    exported: bool
    start: int  # of the body's brace
    end: int  # behind it


@dataclass
class _Counting:
    text: str
    _exported: str = "NAME("
    _inside: str = ""
    _functions: list[str] = field(default_factory=list)
    _out: list[str] = field(default_factory=list)
    _places: list[str] = field(default_factory=list)

    def done(self) -> Counted:
        functions = [*self.functions()]
        used = self.used(functions)
        at = 0
        for function in functions:
            if function.name in used:
                self._inside = "" if function.exported else function.name
                self._out.append(self.text[at : function.start])
                at = self._block(function.start)
        self._out.append(self.text[at:])
        return Counted("".join(self._out), tuple(self._places), tuple(self._functions))

    # Functions

    def functions(self) -> Iterator[_Function]:
        """Those that are defined: what has a body in braces behind a parenthesis."""
        at = begin = 0
        while at < len(self.text):
            at = self._skip(at)
            if at >= len(self.text):
                return
            if self.text[at] == "{":
                end = self._closed(at)
                head = self.text[begin:at]
                if self.text[:at].rstrip().endswith(")") and "=" not in head:
                    # The name stands before the last parentheses but those of attributes.
                    found = re.search(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*$", head)
                    macro = re.search(r"NAME\((\w+)\)\s*\(", head)
                    name = macro[1] if macro else found[1] if found else ""
                    exported = self._exported in head or "__global__" in head
                    yield _Function(name, exported, at, end)
                at = begin = end
            else:
                if self.text[at] == ";":
                    begin = at + 1
                at += 1

    def used(self, functions: list[_Function]) -> set[str]:
        """What exported functions call, or tables of functions have."""
        macros = {name for name, _ in _DEFINE.findall(self.text)}
        bodies: dict[str, set[str]] = {}
        outside, at = "", 0
        for function in functions:
            body = self.text[function.start : function.end]
            words = set(_CALL.findall(body)) | macros.intersection(_WORD.findall(body))
            bodies.setdefault(function.name, set()).update(words)
            head = self.text[at : function.start]
            outside += head[: max(0, head.rfind("\n", 0, head.rfind(function.name)))]
            at = function.end
        outside += self.text[at:]
        for name, body in _DEFINE.findall(self.text):
            bodies.setdefault(name, set()).update(_WORD.findall(body))
        outside = re.sub(r"//[^\n]*|/\*.*?\*/", "", _DEFINE.sub("", outside), flags=re.DOTALL)
        found: set[str] = set()
        new = {f.name for f in functions if f.exported} | set(_WORD.findall(outside))
        while new:
            found |= new
            new = {word for name in new for word in bodies.get(name, ())} - found
        return found

    # Statements

    def _block(self, at: int) -> int:
        """From a brace to behind the one that closes it."""
        self._out.append("{")
        at, counted = at + 1, False
        while True:
            blank = self._skip(at)
            counted = counted and "#" not in self.text[at:blank]
            self._out.append(self.text[at:blank])
            if self.text[blank] == "}":
                self._out.append("}")
                return blank + 1
            at, counted = self._statement(blank, counted)

    def _statement(self, at: int, counted: bool) -> tuple[int, bool]:
        """One statement; whether the next one needs no counter of its own."""
        if self.text[at] == "{":
            return self._block(at), False
        if label := _LABEL.match(self.text, at):
            self._out.append(label[0])
            return label.end(), False
        if self.text.startswith("UNROLL", at):
            self._out.append("UNROLL")
            at += len("UNROLL")
            after = self._skip(at)
            self._out.append(self.text[at:after])
            return self._statement(after, counted)
        if control := _CONTROL.match(self.text, at):
            return self._control(at, control[0]), False
        if not counted:
            self._count(at)
        end = at
        while self.text[end] != ";":
            end = self._closed(end) if self.text[end] in "({[" else self._next(end)
        self._out.append(self.text[at : end + 1])
        return end + 1, True

    def _control(self, at: int, word: str) -> int:
        """A statement with a body, and its else."""
        head = self._closed(self.text.index("(", at))
        self._out.append(self.text[at:head])
        at = self._body(head)
        after = self._skip(at)
        if word == "if" and re.compile(r"else\b").match(self.text, after):
            self._out.append(self.text[at:after] + "else")
            at = self._body(after + len("else"))
        return at

    def _body(self, at: int) -> int:
        """What is controlled, in braces."""
        start = self._skip(at)
        if self.text[start] == "{":
            self._out.append(self.text[at:start])
            return self._block(start)
        self._out.append(" {" + self.text[at:start])
        end, _ = self._statement(start, False)
        self._out.append(" }")
        return end

    def _count(self, at: int) -> None:
        line = self.text.count("\n", 0, at) + 1
        statement = " ".join(self.text[at : self.text.index(";", at) + 1].split())
        self._out.append(f"{ARRAY}[{len(self._places)}] = 1; ")
        self._places.append(f"line {line}: {statement}")
        self._functions.append(self._inside)

    # Characters

    def _skip(self, at: int) -> int:
        """Behind white space, comments and the preprocessor's lines."""
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def _next(self, at: int) -> int:
        """Behind a character, a text or a comment."""
        if self.text[at] in "\"'":
            quote, at = self.text[at], at + 1
            while self.text[at] != quote:
                at += 2 if self.text[at] == "\\" else 1
            return at + 1
        if self.text.startswith(("//", "/*"), at):
            return self._skip(at)
        return at + 1

    def _closed(self, at: int) -> int:
        """Behind the bracket that closes the one here."""
        depth = 0
        while True:
            if self.text[at] in "({[":
                depth += 1
            elif self.text[at] in ")}]":
                depth -= 1
                if not depth:
                    return at + 1
            at = self._next(at)
