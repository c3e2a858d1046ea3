"""The passes that make a `lstmgen.schedule.program.Schedule`."""

from __future__ import annotations

from lstmgen.form.normal_form import Names, NormalForm
from lstmgen.gradients.derivation import Gradients
from lstmgen.schedule.backward import Backward
from lstmgen.schedule.forward import forward_program
from lstmgen.schedule.keeping import kept, kept_adjoints
from lstmgen.schedule.parameters import reductions, weight_gradients
from lstmgen.schedule.program import Schedule
from lstmgen.schedule.regions import find_regions

__all__ = ["schedule"]


def schedule(form: NormalForm, gradients: Gradients) -> Schedule:
    """The program of a cell from its normal form and its gradients."""
    regions = find_regions(form)
    names = Names({*form.sizes, *form.parameters, *(a.name for a in gradients.adjoints)})
    sizes = dict(form.sizes)
    forward = forward_program(form, regions, names, sizes)
    keeping, recomputed = kept(form, gradients)
    for adjoint in gradients.adjoints:
        sizes[adjoint.name] = form.sizes[adjoint.of]
    for gradient in gradients.inputs:
        sizes[gradient.name] = form.sizes[gradient.of]
    seed = names.new("d", "y")
    sizes[seed] = form.sizes[form.output]
    backward, carried = Backward(form, gradients, regions, names, sizes, seed).program()
    products = weight_gradients(gradients)
    sums = reductions(form, gradients)
    return Schedule(
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
        sizes=sizes,
        seed=seed,
    )
