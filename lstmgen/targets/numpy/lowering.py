"""Trees to calls that write into memory that is there already: nothing is allocated in a loop."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.algebra.expression import number
from lstmgen.targets.numpy.program import Call, Keep, Once, Operand, Slot, Stack, Statement
from lstmgen.targets.numpy.trees import Node, Tree, operands


class Scratch:
    """Memory for what lasts less than a step; each array is used again once it is free."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, ...], list[Stack]] = {}
        self.stacks: list[Stack] = []

    def take(self, sizes: tuple[str, ...]) -> Slot:
        """An array of these sizes that nobody uses now."""
        free = self._free.setdefault(sizes, [])
        if not free:
            name = f"s{len(self.stacks) + 1}"
            stack = Stack(name, (name,) * len(sizes), sizes, Keep.STEP)
            self.stacks.append(stack)
            free.append(stack)
        return Slot(free.pop(), 0, len(sizes))

    def give(self, slot: Operand) -> None:
        """Take an array back, if it came from here."""
        if isinstance(slot, Slot) and slot.stack in self.stacks:
            self._free[slot.stack.sizes].append(slot.stack)

    def owns(self, slot: Operand) -> bool:
        """Whether an operand is an array from here."""
        return isinstance(slot, Slot) and slot.stack in self.stacks


class Lowering:
    """Appends the calls that compute trees to `body`."""

    def __init__(self, scratch: Scratch, body: list[Statement]) -> None:
        self._scratch = scratch
        self._body = body

    def store(self, tree: Tree, out: Slot, labels: tuple[str, ...]) -> None:
        """Compute a tree into a slot; the slot may be the first term of a sum itself."""
        if isinstance(tree, (Slot, Once)):
            if tree != out:
                self._body.append(Call("copy", (tree,), out, labels))
            return
        self._node(tree, out, out, labels)

    def _node(self, node: Node, out: Slot | None, like: Slot, labels: tuple[str, ...]) -> Operand:
        """Compute a node; into `out`, or else into scratch of the sizes of `like`."""
        if node.function == "add":
            return self._sum(node.arguments, out, like, labels)
        if node.function == "multiply":
            return self._fold("multiply", node.arguments, out, like, labels)
        if node.function == "power" and node.arguments[1] == _TWO:
            return self._apply("square", node.arguments[:1], out, like, labels)
        return self._apply(node.function, node.arguments, out, like, labels)

    def _apply(
        self,
        function: str,
        arguments: Sequence[Tree],
        out: Slot | None,
        like: Slot,
        labels: tuple[str, ...],
    ) -> Operand:
        found = []
        for k, argument in enumerate(arguments):
            # The first may be computed where the result goes, if no other reads what is there.
            rest = [leaf for other in arguments[k + 1 :] for leaf in operands(other)]
            found.append(self._operand(argument, out if k == 0 else None, rest, like, labels))
        return self._emit(function, found, out, like, labels)

    def _fold(
        self,
        function: str,
        arguments: Sequence[Tree],
        out: Slot | None,
        like: Slot,
        labels: tuple[str, ...],
    ) -> Operand:
        first, *others = arguments
        rest = [leaf for other in others for leaf in operands(other)]
        done = self._operand(first, out, rest, like, labels)
        for k, argument in enumerate(others):
            following = self._operand(argument, None, [], like, labels)
            later = [leaf for other in others[k + 1 :] for leaf in operands(other)]
            done = self._emit(function, [done, following], _unless(out, later), like, labels)
        return done

    def _sum(
        self, terms: Sequence[Tree], out: Slot | None, like: Slot, labels: tuple[str, ...]
    ) -> Operand:
        signed = [_signed(t) for t in terms]
        positive = [k for k, (_, negative) in enumerate(signed) if not negative]
        if positive:
            signed.insert(0, signed.pop(positive[0]))
        # What lies in `out` already is added to.
        ready = [k for k, (t, negative) in enumerate(signed) if t == out and not negative]
        if ready:
            signed.insert(0, signed.pop(ready[0]))
        (first, negative), *others = signed
        rest = [leaf for t, _ in others for leaf in operands(t)]
        done = self._operand(first, out, rest, like, labels)
        if negative:
            done = self._emit("negative", [done], _unless(out, rest), like, labels)
        for k, (term, minus) in enumerate(others):
            following = self._operand(term, None, [], like, labels)
            later = [leaf for t, _ in others[k + 1 :] for leaf in operands(t)]
            function = "subtract" if minus else "add"
            done = self._emit(function, [done, following], _unless(out, later), like, labels)
        return done

    def _operand(
        self,
        tree: Tree,
        out: Slot | None,
        later: Sequence[Operand],
        like: Slot,
        labels: tuple[str, ...],
    ) -> Operand:
        """A tree's value; in `out` if it must be computed and nothing `later` reads that slot."""
        if not isinstance(tree, Node):
            return tree
        free = out if out is not None and out not in (*later, *operands(tree)) else None
        return self._node(tree, free, like, labels)

    def _emit(
        self,
        function: str,
        arguments: list[Operand],
        out: Slot | None,
        like: Slot,
        labels: tuple[str, ...],
    ) -> Operand:
        """One call; without `out` into the scratch of an argument, or into new."""
        if out is None:
            own = [a for a in arguments if self._scratch.owns(a)]
            if own and isinstance(own[0], Slot) and own[0].sizes == like.sizes:
                out = own[0]
            else:
                out = self._scratch.take(like.sizes)
        self._body.append(Call(function, tuple(arguments), out, labels))
        for argument in dict.fromkeys(arguments):
            if argument != out:
                self._scratch.give(argument)
        return out


_TWO = Once((number(2),), ("1",))


def _unless(out: Slot | None, later: Sequence[Operand]) -> Slot | None:
    return None if out in later else out


def _signed(tree: Tree) -> tuple[Tree, bool]:
    """A term without its minus, and whether it had one."""
    if isinstance(tree, Node) and tree.function == "negative":
        return tree.arguments[0], True
    return tree, False
