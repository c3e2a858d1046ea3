"""The proof of the derivation passes for what is right, and names the equation that is wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import verification_cells

import lstmgen
from lstmgen.algebra.expression import Value, neg
from lstmgen.errors import VerificationError
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import Adjoint, MatrixGradient
from lstmgen.verification import check_derivation
from lstmgen.verification.derivation import DERIVATION_BOUND

BUILT_IN = ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after")
CELLS = verification_cells.cells()


def failed(checks) -> list[str]:
    return [check.label for check in checks if not check.passed]


@pytest.mark.parametrize("name", [*BUILT_IN, *CELLS])
def test_every_derived_equation_is_checked_and_holds(name):
    cell = CELLS[name] if name in CELLS else lstmgen.load(name)
    checks = check_derivation(cell)
    assert failed(checks) == []
    derived = [check.label for check in checks if check.check == "derivation"]
    count = len(cell.gradients)
    assert derived == [*(f"δ{k}" for k in range(1, count + 1)), f"δ1-δ{count}"]
    compared = [check.label for check in checks if check.check == "normal form"]
    assert compared == [str(k) for k in range(1, len(cell.equations) + 1)]
    assert all(check.error < DERIVATION_BOUND * 1e-15 for check in checks)


def wrong_signs(gradients: Gradients):
    """Every gradient with the sign of one term turned, and the labels that must fail."""
    initial = {i.state: i.label for i in gradients.initial}
    for k, adjoint in enumerate(gradients.adjoints):
        for part in ("here", "later"):
            terms = getattr(adjoint, part)
            for j in range(len(terms)):
                turned = (*terms[:j], neg(terms[j]), *terms[j + 1 :])
                changed = replace(adjoint, **{part: turned})
                adjoints = (*gradients.adjoints[:k], changed, *gradients.adjoints[k + 1 :])
                labels = [adjoint.label]
                if part == "later":
                    labels.append(initial[adjoint.of])
                yield replace(gradients, adjoints=adjoints), labels
    for k, parameter in enumerate(gradients.parameters):
        for changed in turned_parameters(parameter):
            parameters = (*gradients.parameters[:k], changed, *gradients.parameters[k + 1 :])
            yield replace(gradients, parameters=parameters), [parameter.label]
    for k, of in enumerate(gradients.inputs):
        for j, term in enumerate(of.terms):
            changed = replace(of, terms=(*of.terms[:j], neg(term), *of.terms[j + 1 :]))
            inputs = (*gradients.inputs[:k], changed, *gradients.inputs[k + 1 :])
            yield replace(gradients, inputs=inputs), [of.label]


def turned_parameters(parameter):
    if isinstance(parameter, MatrixGradient):
        for slot, block in enumerate(parameter.blocks):
            for j, product in enumerate(block):
                other = replace(product, negative=not product.negative)
                turned = (*block[:j], other, *block[j + 1 :])
                blocks = (*parameter.blocks[:slot], turned, *parameter.blocks[slot + 1 :])
                yield replace(parameter, blocks=blocks)
    else:
        for j, term in enumerate(parameter.terms):
            turned = (*parameter.terms[:j], neg(term), *parameter.terms[j + 1 :])
            yield replace(parameter, terms=turned)


@pytest.mark.parametrize(
    ("name", "every", "least"), [("gru", 1, 20), ("rnn", 1, 6), ("sizes", 4, 6)]
)
def test_a_wrong_sign_fails_the_line_of_its_equation_and_no_other(name, every, least):
    cell = CELLS[name] if name in CELLS else lstmgen.load(name)
    count = 0
    for gradients, labels in islice(wrong_signs(cell.gradients), 0, None, every):
        checks = check_derivation(cell, gradients)
        assert failed(checks) == [*labels, f"δ1-δ{len(gradients)}"]
        line = next(check for check in checks if not check.passed)
        assert f"({line.label})" in str(line)
        assert line.what in str(line)
        count += 1
    assert count >= least


def test_a_missing_term_is_caught():
    cell = lstmgen.load("lstm")
    gradients = cell.gradients

    def without(adjoint: Adjoint) -> Adjoint:
        return replace(adjoint, here=()) if adjoint.of == "C" else adjoint

    changed = replace(gradients, adjoints=tuple(map(without, gradients.adjoints)))
    assert failed(check_derivation(cell, changed))[0] == gradients.adjoint("C").label


def test_a_seed_that_is_left_out_is_caught():
    cell = lstmgen.load("gru")
    gradients = cell.gradients
    adjoints = tuple(replace(a, is_output=False) for a in gradients.adjoints)
    assert failed(check_derivation(cell, replace(gradients, adjoints=adjoints)))[0] == "δ1"


def test_a_wrong_normal_form_is_caught():
    cell = lstmgen.load("gru")
    form = cell.normal_form
    first = form.definitions[0]
    definitions = (replace(first, value=neg(first.value)), *form.definitions[1:])
    gradients = replace(cell.gradients, form=replace(form, definitions=definitions))
    lines = [c for c in check_derivation(cell, gradients) if not c.passed]
    assert (lines[0].check, lines[0].label) == ("normal form", "1")


def test_an_equation_that_cannot_be_evaluated_has_failed():
    cell = lstmgen.load("rnn")
    gradients = cell.gradients
    changed = replace(gradients.adjoints[0], here=(Value("nowhere"),))
    checks = check_derivation(cell, replace(gradients, adjoints=(changed, *gradients.adjoints[1:])))
    line = next(check for check in checks if not check.passed)
    assert line.label == "δ1"
    assert "cannot be evaluated" in line.detail


def test_a_cell_that_is_defined_nowhere_is_refused_with_the_reason():
    from lstmgen import Cell, Eq, symbols, t, tanh
    from lstmgen import log as logarithm

    h, x, W = symbols("h x W")
    cell = Cell("nowhere", Eq(h[t], logarithm(tanh(W @ [h[t - 1], x[t]]) - 2)))
    with pytest.raises(VerificationError, match="log of a number outside its domain"):
        check_derivation(cell)


def test_progress_names_every_label():
    cell = lstmgen.load("rnn")
    seen: list[str] = []
    check_derivation(cell, advance=seen.append)
    assert seen == [f"δ{k}" for k in range(1, len(cell.gradients) + 1)]
