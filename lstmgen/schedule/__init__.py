"""The passes that make a `lstmgen.schedule.program.Schedule`."""

from __future__ import annotations

from lstmgen.form.normal_form import Names, NormalForm
from lstmgen.gradients.derivation import Gradients
from lstmgen.schedule.backward import Backward
from lstmgen.schedule.check import check
from lstmgen.schedule.forward import forward_program
from lstmgen.schedule.keeping import kept, kept_adjoints
from lstmgen.schedule.parameters import reductions, weight_gradients
from lstmgen.schedule.program import Schedule
from lstmgen.schedule.regions import find_regions
from lstmgen.schedule.variables import Role, Variable

__all__ = ["schedule"]


def schedule(form: NormalForm, gradients: Gradients) -> Schedule:
    """The program of a cell from its normal form and its gradients."""
    regions = find_regions(form)
    derived = {*(a.name for a in gradients.adjoints), *(g.name for g in gradients.inputs)}
    names = Names({*form.sizes, *form.parameters, *derived})
    variables = declared(form, gradients)
    forward = forward_program(form, regions, names, variables)
    keeping, recomputed = kept(form, gradients)
    seed = names.new("d", "y")
    variables[seed] = Variable(seed, variables[form.output].indices, Role.SEED)
    backward, carried = Backward(form, gradients, regions, names, variables, seed).program()
    products = weight_gradients(gradients)
    sums = reductions(form, gradients)
    made = Schedule(
        form=form,
        gradients=gradients,
        forward=forward,
        backward=backward,
        kept=keeping,
        recomputed=recomputed,
        carried=carried,
        kept_adjoints=kept_adjoints(gradients, backward, products, sums),
        weight_gradients=products,
        reductions=sums,
        variables=variables,
        seed=seed,
    )
    check(made)
    return made


def declared(form: NormalForm, gradients: Gradients) -> dict[str, Variable]:
    """The variables of the equations, given and derived."""
    found = [Variable(x, _indices(form.sizes[x]), Role.INPUT) for x in form.inputs]
    found += [
        Variable(d.name, _indices(form.sizes[d.name]), Role.DEFINED, d.label)
        for d in form.definitions
    ]
    found += [
        Variable(a.name, _indices(form.sizes[a.of]), Role.ADJOINT, a.label)
        for a in gradients.adjoints
    ]
    found += [
        Variable(g.name, _indices(form.sizes[g.of]), Role.INPUT_GRADIENT, g.label)
        for g in gradients.inputs
    ]
    return {variable.name: variable for variable in found}


def _indices(size: str) -> tuple[str, ...]:
    return () if size == "1" else (size,)
