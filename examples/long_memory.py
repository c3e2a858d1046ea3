"""How long a cell remembers: two tasks with a lag, trained until solved or given up.

    python examples/long_memory.py
    python examples/long_memory.py --cells lstm lem --task adding --lag 200 --updates 4000

The adding problem: of a sequence of random numbers from -1 to 1 two are marked, one in the first
tenth and one in the first half; the answer, at the end, is their sum.  Whoever always answers 0 has
a mean squared error of 2/3.  The copy task: five of eight symbols, then blanks, then a signal upon
which the symbols are to be repeated.  Whoever guesses gets 7 of 8 wrong.

Every cell has the same data, size, optimiser and number of updates.  Where a state has a direct
path through a gate with a bias (the forget gate of an LSTM), the bias starts at --forget-bias.  The
error is taken on sequences that were not trained on.

Sources: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997,
experiments 4 and 5; M. Arjovsky, A. Shah, Y. Bengio, "Unitary Evolution Recurrent Neural Networks",
ICML 2016, section 5.

One seed says little: whether a run just solves a task within the updates hangs on rounding, and so
on the machine.  With `--seeds 5`, 64 units, 2026-11-28, seeds that solved it within 2500 updates:

    adding, lag 60    rnn 0 of 5    lstm 4 of 5, after 950 to 2000     gru 0 of 5
    copy, lag 20      rnn 0 of 5    lstm 5 of 5, after 1500 to 1950    gru 4 of 5, 1200 to 2350
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optimizer import Adam
from progress import Progress

import lstmgen
from lstmgen.show.flow import forget_biases
from lstmgen.show.plot import Line, line_plot

CHECK = 50  # updates between two looks at the error
HELD_OUT = 500  # sequences


class Adding:
    """Two marked numbers of `steps` are to be added."""

    name, inputs, outputs = "adding", 3, 1
    lag, rate = 60, 1e-2
    quantity, solved, guess = "mean squared error", 0.02, 2 / 3

    def __init__(self, lag: int) -> None:
        self.steps, self.answers = lag, 1

    def draw(self, random: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (steps, batch, 3) and the answers (1, batch, 1).

        The inputs are a number, its mark, and a constant 1 for cells without biases.
        """
        x = np.ones((self.steps, batch, 3), np.float32)
        x[:, :, 0] = random.uniform(-1, 1, (self.steps, batch))
        x[:, :, 1] = 0
        rows = np.arange(batch)
        early = random.integers(0, max(1, self.steps // 10), batch)
        late = random.integers(max(1, self.steps // 10), max(2, self.steps // 2), batch)
        x[early, rows, 1] = x[late, rows, 1] = 1
        return x, (x[early, rows, 0] + x[late, rows, 0]).reshape(1, batch, 1)

    def loss(self, given: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, float]:
        """The gradient of the loss by the given answers, and their error."""
        difference = given - wanted
        return 2 * difference / difference.size, float(np.mean(np.square(difference)))


class Copy:
    """Symbols are to be repeated `lag` steps after the last of them."""

    name, symbols, length = "copy", 8, 5
    inputs, outputs = symbols + 2, symbols
    lag, rate = 20, 5e-3
    quantity, solved, guess = "share of wrong symbols", 0.02, 1 - 1 / symbols

    def __init__(self, lag: int) -> None:
        self.steps, self.answers = lag + 2 * self.length, self.length

    def draw(self, random: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (steps, batch, 10), one-hot, and the symbols (5, batch)."""
        symbols = random.integers(0, self.symbols, (self.length, batch))
        codes = np.full((self.steps, batch), self.symbols)  # blank
        codes[: self.length] = symbols
        codes[self.steps - self.length] = self.symbols + 1  # the signal
        return np.eye(self.inputs, dtype=np.float32)[codes], symbols

    def loss(self, given: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, float]:
        """The gradient of the mean cross-entropy by the scores, and the share of wrong symbols."""
        wrong = float(np.mean(given.argmax(axis=2) != wanted))
        chances = np.exp(given - given.max(axis=2, keepdims=True))
        chances /= chances.sum(axis=2, keepdims=True)
        np.put_along_axis(
            chances, wanted[:, :, None], np.take_along_axis(chances, wanted[:, :, None], 2) - 1, 2
        )
        return chances / wanted.size, wrong


@dataclass(frozen=True)
class Run:
    """One training: the error at each look, and after how many updates it was solved."""

    cell: str
    updates: list[int]
    errors: list[float]
    solved: int | None


def train(
    cell: Any, task: Adding | Copy, options: argparse.Namespace, seed: int, progress: Progress
) -> Run:
    """Train a cell with a linear layer behind it until the task is solved or the updates are up."""
    module = lstmgen.compile(cell, "numpy")
    params = module.init_params(task.inputs, options.hidden, seed=seed)
    for name, direction in forget_biases(cell).items():
        params[name][...] = options.forget_bias * direction
    random = np.random.default_rng(seed)
    bound = options.hidden**-0.5
    width = module.forward(params, np.zeros((0, 1, task.inputs), np.float32))[0].shape[2]
    initial = {f"cell.{name}": value for name, value in params.items()}
    initial["W"] = random.uniform(-bound, bound, (task.outputs, width)).astype(np.float32)
    initial["b"] = np.zeros(task.outputs, np.float32)
    adam = Adam(initial, clip=1.0)
    params = {name: adam.parameters[f"cell.{name}"] for name in module.PARAMETERS}
    W, b = adam.parameters["W"], adam.parameters["b"]
    held_out = task.draw(np.random.default_rng((seed, 1)), HELD_OUT)
    run = Run(cell.name, [], [], None)
    tape = solved = None
    dy = np.zeros((task.steps, options.batch, width), np.float32)
    for update in range(options.updates + 1):
        if update % CHECK == 0:
            y, _, _ = module.forward(params, held_out[0], tape=False)
            _, error = task.loss(y[-task.answers :] @ W.T + b, held_out[1])
            run.updates.append(update)
            run.errors.append(error)
            if error < task.solved:
                solved = update
                break
        x, wanted = task.draw(random, options.batch)
        y, _, tape = module.forward(params, x, reuse=tape)
        last = y[-task.answers :]
        d_answers, _ = task.loss(last @ W.T + b, wanted)
        dy[-task.answers :] = d_answers @ W
        gradients, _, _ = module.backward(params, tape, dy=dy)
        flat = d_answers.reshape(-1, task.outputs)
        norm = adam.update(
            {f"cell.{name}": value for name, value in gradients.items()}
            | {"W": flat.T @ last.reshape(-1, width), "b": flat.sum(axis=0)},
            options.rate or task.rate,
        )
        if not math.isfinite(norm):
            raise SystemExit(f"{cell.name}: the gradient is not finite; try a smaller --rate")
        progress(
            f"{task.name}, {cell.name}, seed {seed}: update {update} of {options.updates}, "
            f"{task.quantity} {run.errors[-1]:.4f}"
        )
    return Run(cell.name, run.updates, run.errors, solved)


def summary(cell: str, runs: Sequence[Run], updates: int) -> str:
    """How many seeds solved the task, after how many updates, and the errors at the end."""
    solved = sorted(run.solved for run in runs if run.solved is not None)
    after = f"in {updates} updates"
    if solved:
        after = f"after {_span(f'{count}' for count in (solved[0], solved[-1]))} updates"
    ends = sorted(run.errors[-1] for run in runs)
    errors = _span(f"{error:.4f}" for error in (ends[0], ends[-1]))
    return f"  {cell:<16} {len(solved)} of {len(runs)} seeds solved it {after}; at the end {errors}"


def _span(ends: Iterable[str]) -> str:
    return " to ".join(dict.fromkeys(ends))


def plot(task: Adding | Copy, by_cell: Sequence[Sequence[Run]], lag: int) -> str:
    """The errors against the updates, as SVG: medians over the seeds, and their spread."""
    runs = [run for runs in by_cell for run in runs]
    longest = max(run.updates[-1] for run in runs)
    updates = next(run.updates for run in runs if run.updates[-1] == longest)
    lines = []
    for k, seeds in enumerate(by_cell):
        # Who has solved the task stays where that was.
        errors = np.array(
            [run.errors + run.errors[-1:] * (len(updates) - len(run.errors)) for run in seeds]
        )
        middle, low, high = (np.quantile(errors, q, axis=0).tolist() for q in (0.5, 0.0, 1.0))
        lines.append(Line(seeds[0].cell, updates, middle, low, high, colour=k, dash=k % 2))
    level = [task.guess, task.guess]
    lines.append(Line("guessing", [0, longest], level, colour=6, dash=2))
    return line_plot(
        lines,
        title=f"The {task.name} task with a lag of {lag} steps",
        x_label="updates",
        y_label=task.quantity,
        y_range=(0.0, 1.1 * max(max(max(run.errors[1:] or [0.0]) for run in runs), task.guess)),
    )


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cells", nargs="+", default=["rnn", "lstm", "gru"], help="built-in cells, or files")
    add("--task", choices=["adding", "copy", "both"], default="both")
    add("--lag", type=int, help="steps to bridge; 60 for adding, 20 for copy if not given")
    add("--hidden", type=int, default=64, help="hidden size")
    add("--batch", type=int, default=32, help="sequences in an update")
    add("--rate", type=float, help="Adam's learning rate; 0.01, for copy 0.005 if not given")
    add("--forget-bias", type=float, default=3.0, help="of gates on a state's direct path")
    add("--updates", type=int, default=2500, help="give up after so many")
    add("--seeds", type=int, default=1, help="initialisations and data, from --seed on")
    add("--seed", type=int, default=0)
    add("-o", "--output", default=".", help="folder for the plots, long_memory_TASK.svg")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Train every cell on every task, print a table and draw the curves."""
    options = arguments(given)
    try:
        cells = [lstmgen.load(name) for name in options.cells]
    except lstmgen.LstmgenError as error:
        raise SystemExit(str(error)) from None
    progress = Progress()
    tasks: dict[str, type[Adding] | type[Copy]] = {"adding": Adding, "copy": Copy}
    for name in tasks if options.task == "both" else [options.task]:
        kind = tasks[name]
        lag = kind.lag if options.lag is None else options.lag
        if options.seeds < 1:
            raise SystemExit("--seeds: expected at least 1")
        if lag < 2:
            raise SystemExit("--lag: expected at least 2")
        task = kind(lag)
        print(
            f"{name}, lag {lag}: {task.quantity}, {task.guess:.3f} by guessing, solved below "
            f"{task.solved}",
            flush=True,
        )
        runs: list[list[Run]] = []
        for cell in cells:
            seeds = range(options.seed, options.seed + options.seeds)
            runs.append([train(cell, task, options, seed, progress) for seed in seeds])
            progress.clear()
            print(summary(cell.name, runs[-1], options.updates), flush=True)
        path = Path(options.output) / f"long_memory_{name}.svg"
        path.write_text(plot(task, runs, lag), encoding="utf-8")
        print(f"  curves in {path}")


if __name__ == "__main__":
    main()
