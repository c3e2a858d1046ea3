"""The schedule: how few products and blocks a step takes, what is kept, and that it is a program.

Rounds are what a persistent kernel would run: exchange one vector, multiply it by a stack of
matrices, run an element-wise block.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import verification_cells

from lstmgen import Cell, Eq, load, sigma, symbols, t, tanh
from lstmgen.algebra.expression import MatVec, Value, values
from lstmgen.form.normal_form import uses_product
from lstmgen.gradients.equations import MatrixGradient
from lstmgen.library.loading import names
from lstmgen.schedule.program import Block, Fanout, Gather, Program, Schedule, Stage

ODD = verification_cells.cells()
ALL = [*names(), *ODD]


def schedule(name: str) -> Schedule:
    return (ODD[name] if name in ODD else load(name)).schedule


def rounds(stages: Iterable[Stage]) -> list[tuple[list[str], int]]:
    """For each round the vectors that are multiplied, and the number of blocks after that."""
    found: list[tuple[list[str], int]] = [([], 0)]
    for stage in stages:
        products, blocks = found[-1]
        if isinstance(stage, Block):
            found[-1] = (products, blocks + 1)
        elif blocks:
            found.append(([_operand(stage)], 0))
        else:
            products.append(_operand(stage))
    return found


def _operand(stage: Fanout | Gather) -> str:
    if isinstance(stage, Fanout):
        return stage.operand.name + ("" if stage.operand.shift == 0 else "_prev")
    return " ".join(column.operand for column in stage.columns)


@pytest.mark.parametrize(
    ("name", "blocks", "groups"),
    [
        ("rnn", 1, 1),
        ("lstm", 1, 1),
        ("coupled", 1, 1),
        ("gru_reset_after", 1, 1),
        ("gru", 2, 2),
        ("peephole", 2, 3),
    ],
)
def test_blocks_and_product_groups_of_a_forward_step(name: str, blocks: int, groups: int) -> None:
    loop = schedule(name).forward.loop
    assert sum(isinstance(stage, Block) for stage in loop) == blocks
    assert sum(isinstance(stage, Fanout) for stage in loop) == groups
    assert len(loop) == blocks + groups


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("rnn", [(["h_prev"], 1)], [([], 1), (["d_a_h"], 0)]),
        (
            "lstm",
            [(["h_prev"], 1)],
            [([], 1), (["d_a_f d_a_i d_a_C_tilde d_a_o"], 0)],
        ),
        (
            "gru",
            [(["h_prev"], 1), (["u_h_tilde"], 1)],
            [([], 1), (["d_a_h_tilde"], 1), (["d_a_z d_a_r"], 0)],
        ),
        (
            "peephole",
            [(["C_prev", "h_prev"], 1), (["C"], 1)],
            [([], 1), (["d_a_o"], 1), (["d_a_f d_a_i d_a_C_tilde d_a_o", "d_a_f d_a_i"], 0)],
        ),
        (
            "gru_reset_after",
            [(["h_prev"], 1)],
            [([], 1), (["d_a_r d_a_z d_a_n"], 0)],
        ),
    ],
)
def test_a_step_reads_as_rounds(
    name: str, forward: list[tuple[list[str], int]], backward: list[tuple[list[str], int]]
) -> None:
    """Backward the products stand behind the block, whose adjoints they hand to the step before."""
    assert rounds(schedule(name).forward.loop) == forward
    assert rounds(schedule(name).backward.loop) == backward


@pytest.mark.parametrize(
    ("name", "kept", "again"),
    [
        ("rnn", "h", ""),
        ("lstm", "f i C_tilde C o h", ""),
        ("peephole", "f i C_tilde C o h", ""),
        ("coupled", "f C_tilde C o h", ""),
        ("gru", "z r h_tilde h", "u_h_tilde"),
        ("gru_reset_after", "r z a_n n h", ""),
    ],
)
def test_what_is_kept_is_the_least_from_which_the_rest_is_cheap(
    name: str, kept: str, again: str
) -> None:
    found = schedule(name)
    assert sorted(found.kept) == sorted(kept.split())
    assert [d.name for d in found.recomputed] == again.split()


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_kept_in_vain_and_no_product_is_repeated(name: str) -> None:
    found = schedule(name)
    form, gradients = found.form, found.gradients
    needed = {
        v.name
        for adjoint in gradients.adjoints
        for term in (*adjoint.here, *adjoint.later)
        for v in values(term)
    }
    for parameter in gradients.parameters:
        if isinstance(parameter, MatrixGradient):
            outers = [outer for block in parameter.blocks for outer in block]
            needed |= {v.name for outer in outers for v in (outer.left, outer.right)}
        else:
            needed |= {v.name for term in parameter.terms for v in values(term)}
    needed |= {v.name for of in gradients.inputs for term in of.terms for v in values(term)}
    again = {d.name for d in found.recomputed}
    needed |= {v.name for d in found.recomputed for v in values(d.value)}
    at_hand = {*found.kept, *again, *form.inputs}
    assert needed & set(form.by_name) <= at_hand
    assert set(found.kept) <= needed | set(form.states)
    assert not again & set(found.kept)
    for definition in found.recomputed:
        assert not uses_product(definition.value)
        assert {v.name for v in values(definition.value)} <= at_hand
    # What could be evaluated again from the rest is not kept.
    for kept in set(found.kept) - set(form.states):
        used = {v.name for v in values(form.by_name[kept].value)}
        assert uses_product(form.by_name[kept].value) or not used <= at_hand - {kept}, kept


@pytest.mark.parametrize("name", ALL)
def test_every_stage_runs_after_what_it_reads(name: str) -> None:
    """Forward and backward are programs: every value is made once, before it is read."""
    found = schedule(name)
    form = found.form
    before = {Value(s, -1) for s in form.states} | {Value(x) for x in form.inputs}
    made = made_by(found.forward, before)
    assert {Value(d.name) for d in form.definitions} <= made
    assert {Value(s) for s in form.states} <= made
    history = {Value(n, k) for n in (*form.by_name, *form.inputs) for k in (0, -1)}
    received = {Value(n) for pair in found.carried.values() for n in pair if n is not None}
    start = {*history, *received, Value(found.seed)}
    made = made_by(found.backward, start, carried=received)
    assert {Value(a.name) for a in found.gradients.adjoints} <= made
    assert {Value(of.name) for of in found.gradients.inputs} <= made
    assert received <= made


def made_by(program: Program, known: set[Value], carried: Iterable[Value] = ()) -> set[Value]:
    """All that a program makes; fails where a stage reads what is not there yet, or not any more.

    What is `carried` comes from the step after this one, and must be read before it is made anew.
    """
    here, made = set(known), set[Value]()
    for stage in program.stages:
        if isinstance(stage, Fanout):
            assert stage.operand in here, str(stage)
            results = [row.result for row in stage.rows]
        elif isinstance(stage, Gather):
            assert {Value(column.operand) for column in stage.columns} <= here, str(stage)
            results = [stage.result]
        else:
            results = []
            for assignment in stage.assignments:
                assert not any(isinstance(v, MatVec) for v in values(assignment.value))
                assert set(values(assignment.value)) <= here, str(assignment)
                assert not set(values(assignment.value)) & made & set(carried), str(assignment)
                assert Value(assignment.name) not in made, str(assignment)
                here.add(Value(assignment.name))
                made.add(Value(assignment.name))
        for result in results:
            assert Value(result) not in made, result
            here.add(Value(result))
            made.add(Value(result))
    return made


@pytest.mark.parametrize("name", ALL)
def test_every_product_of_the_cell_is_in_one_stage(name: str) -> None:
    found = schedule(name)
    wanted = {
        (p.weight, p.slot, p.transposed, p.operand)
        for d in found.form.definitions
        for p in d.products
    }
    stages = [s for s in found.forward.stages if isinstance(s, Fanout)]
    rows = [(r.weight, r.slot, r.transposed, s.operand) for s in stages for r in s.rows]
    assert len(rows) == len(set(rows)) and set(rows) == wanted
    # In the loop a vector is multiplied once, by all the matrices that are ready by then.
    loop = [s.operand for s in found.forward.loop if isinstance(s, Fanout)]
    assert len(loop) == len(set(loop))
    outers = [
        (row.weight, row.slot, row.adjoint, product.operand)
        for product in found.weight_gradients
        for row in product.rows
    ]
    assert len({product.operand for product in found.weight_gradients}) == len(
        found.weight_gradients
    )
    assert {outer[:2] for outer in outers} == {row[:2] for row in rows}


def test_products_of_the_input_and_parameters_gradients_are_outside_the_loop() -> None:
    for name in ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after"):
        found = schedule(name)
        (inputs,) = [s for s in found.forward.before if isinstance(s, Fanout)]
        assert inputs.operand == Value("x")
        (back,) = [s for s in found.backward.after if isinstance(s, Gather)]
        assert {c.weight for c in back.columns} == {r.weight for r in inputs.rows}
        in_loop = [s for s in found.forward.loop if isinstance(s, Fanout)]
        assert Value("x") not in [s.operand for s in in_loop]


def test_what_feeds_nothing_back_runs_after_the_loop() -> None:
    a, h, o, x, z = symbols("a h o x z")
    W, V = symbols("W V")
    cell = Cell(
        "readout",
        Eq(a[t], sigma(V @ [x[t]])),
        Eq(h[t], tanh(W @ [h[t - 1]]) + a[t]),
        Eq(z[t], V @ [h[t]]),
        Eq(o[t], tanh(z[t]) * a[t]),
        output="o",
    )
    program = cell.schedule.forward

    def made(stages: Iterable[Stage]) -> list[str]:
        return [d.name for s in stages if isinstance(s, Block) for d in s.assignments]

    assert made(program.before) == ["a_a", "a"]
    assert made(program.loop) == ["a_h", "h"]
    assert made(program.after) == ["z", "o"]
    backward = cell.schedule.backward
    assert made(backward.before) == ["d_o", "d_z"]
    assert made(backward.loop) == ["d_h", "d_a_h"]
    assert made(backward.after) == ["d_a", "d_a_a", "d_x"]


def test_twice_the_equations_give_a_schedule_twice_as_long() -> None:
    from benchmarks.cpu_parts.chains import chain

    lengths = [len(str(chain(n).schedule)) for n in (40, 80)]
    assert 1.8 < lengths[1] / lengths[0] < 2.3
