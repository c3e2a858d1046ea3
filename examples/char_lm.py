"""A character-level language model on a text of yours, trained with a generated module.

    python examples/char_lm.py TEXT
    python examples/char_lm.py TEXT --cell gru_reset_after --hidden 192 --seconds 300
    lstmgen build lstm --target numpy
    python examples/char_lm.py TEXT --module generated/lstm_numpy.py

The text (UTF-8, or Latin-1 where it is not; gzip is unpacked) is read as one long sequence.  Its
first nine tenths are cut into parallel streams, which the cell reads in chunks; each chunk starts
from the state in which the last one ended, and gradients flow within the chunk (truncated
back-propagation through time).  What the model has learnt is its cross-entropy on the last tenth,
in bits per character, beside that of character frequencies (unigram) and of frequencies given the
character before (bigram, Witten-Bell smoothing), which predict the same characters.

The module brings the cell; all else is here: an embedding before it, a softmax layer behind it,
Adam.  Any built-in cell with one input will do, and any module that `lstmgen build` wrote.

A text in the public domain, of 384 kB: A. Bierce, "The Devil's Dictionary" (1911), in Debian's
package dict-devil.

    apt-get download dict-devil && dpkg -x dict-devil_*.deb .
    OPENBLAS_NUM_THREADS=1 python examples/char_lm.py usr/share/dictd/devil.dict.dz

Bits per character on the held-out tenth, 2026-11-23, with the settings as they are, on one core of
an AMD EPYC of which other programs took half:

    unigram 4.468    bigram 3.664    lstm 2.636 after two minutes (527 steps, 57 s of computing)

and after 1000 steps (`--steps 1000 --seconds 9000`) lstm 2.495, which took 95 s of computing, and
gru 3.381.  The peephole cell's full matrices learn slowly: 3.841, and with `--rate 0.003` 3.639.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import inspect
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from optimizer import Adam
from progress import Progress

BITS = 1 / math.log(2)
READ_OUT = ("embedding", "softmax_W", "softmax_b")


class LanguageModel:
    """embedding -> generated cell -> softmax over characters.

    Parameters are the cell's own, with the prefix `cell.`, and those of `READ_OUT`.
    """

    def __init__(
        self, module: ModuleType, characters: int, hidden: int, embedding: int | None, seed: int
    ) -> None:
        self.module = module
        self.hidden = hidden
        if len(module.INPUTS) != 1:
            raise SystemExit(f"{module.CELL} has {len(module.INPUTS)} inputs; one is needed")
        # A cell that adds its input to a state has no input size of its own: it is the hidden size.
        free = any("D" in size.split("+") for shape in module.PARAMETERS.values() for size in shape)
        width = embedding or (64 if free else hidden)
        options = inspect.signature(module.init_params).parameters.values()
        # Sizes that a cell declares besides (a projection's, a rank) are half of the hidden size.
        self.sizes = {
            o.name: max(1, hidden // 2)
            for o in options
            if o.kind is o.KEYWORD_ONLY and o.default is o.empty
        }
        cell = module.init_params(width, hidden, seed=seed, dtype="float32", **self.sizes)
        empty, _, _ = module.forward(cell, np.zeros((0, 1, width), np.float32))
        random = np.random.default_rng(seed)
        self.initial = {f"cell.{name}": value for name, value in cell.items()}
        self.initial["embedding"] = random.standard_normal((characters, width), np.float32)
        self.initial["softmax_W"] = np.zeros((characters, empty.shape[2]), np.float32)
        self.initial["softmax_b"] = np.zeros(characters, np.float32)

    def cell_parameters(self, parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The parameters of the generated module."""
        return {name: parameters[f"cell.{name}"] for name in self.module.PARAMETERS}

    def loss(
        self, parameters: dict[str, np.ndarray], text: np.ndarray, state: Any, reuse: Any
    ) -> tuple[float, np.ndarray, np.ndarray, Any, Any]:
        """Read text[:-1] (T + 1, B) and predict text[1:].

        Returns the mean cross-entropy in nats, its gradient by the scores (T * B, characters), the
        outputs of the cell, its last state, and the tape.
        """
        y, state, tape = self.module.forward(
            self.cell_parameters(parameters), parameters["embedding"][text[:-1]], state, reuse=reuse
        )
        outputs = y.reshape(-1, y.shape[2])
        scores = outputs @ parameters["softmax_W"].T
        scores += parameters["softmax_b"]
        scores -= scores.max(axis=1, keepdims=True)
        rows, targets = np.arange(len(scores)), text[1:].ravel()
        of_targets = scores[rows, targets]
        np.exp(scores, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - of_targets))
        scores /= total
        scores[rows, targets] -= 1
        scores /= len(scores)
        return loss, scores, outputs, state, tape

    def gradients(
        self,
        parameters: dict[str, np.ndarray],
        text: np.ndarray,
        d_scores: np.ndarray,
        outputs: np.ndarray,
        tape: Any,
    ) -> dict[str, np.ndarray]:
        """The gradient of the loss by every parameter, from what `loss` returned."""
        T, B = text.shape[0] - 1, text.shape[1]
        d_outputs = d_scores @ parameters["softmax_W"]
        d_cell, dx, _ = self.module.backward(
            self.cell_parameters(parameters), tape, dy=d_outputs.reshape(T, B, -1)
        )
        read = np.zeros_like(d_scores)
        read[np.arange(T * B), text[:-1].ravel()] = 1
        return {
            **{f"cell.{name}": value for name, value in d_cell.items()},
            "embedding": read.T @ dx.reshape(T * B, -1),
            "softmax_W": d_scores.T @ outputs,
            "softmax_b": d_scores.sum(axis=0),
        }

    def entropy(self, parameters: dict[str, np.ndarray], text: np.ndarray, chunk: int) -> float:
        """Mean cross-entropy in bits of text[1:], (T, B), given all that comes before."""
        total, state = 0.0, None
        for start in range(0, len(text) - 1, chunk):
            part = text[start : start + chunk + 1]
            loss, _, _, state, _ = self.loss(parameters, part, state, None)
            total += loss * (len(part) - 1)
        return BITS * total / (len(text) - 1)

    def sample(
        self, parameters: dict[str, np.ndarray], start: int, count: int, heat: float, seed: int
    ) -> Iterator[int]:
        """`count` characters, each drawn given those before it; a small `heat` plays it safe."""
        cell = self.cell_parameters(parameters)
        random = np.random.default_rng(seed)
        state = self.module.init_state(1, self.hidden, **self.sizes)
        character = start
        for _ in range(count):
            state = self.module.step(cell, parameters["embedding"][[character]], state)
            scores = parameters["softmax_W"] @ state[self.module.OUTPUT][0]
            scores = (scores + parameters["softmax_b"]).astype(np.float64) / heat
            weights = np.exp(scores - scores.max())
            character = int(random.choice(len(weights), p=weights / weights.sum()))
            yield character


def streams(text: np.ndarray, count: int) -> np.ndarray:
    """The text cut into `count` streams side by side, (length, count)."""
    length = len(text) // count
    return np.ascontiguousarray(text[: length * count].reshape(count, length).T)


def chunks(text: np.ndarray, steps: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Chunks of steps + 1 rows without end, and whether the streams begin anew."""
    while True:
        for start in range(0, len(text) - steps, steps):
            yield text[start : start + steps + 1], start == 0


def unigram(train: np.ndarray, characters: int) -> np.ndarray:
    """How likely each character is, by its frequency, with one occurrence added."""
    counts = np.bincount(train, minlength=characters) + 1.0
    return counts / counts.sum()


def bigram(train: np.ndarray, characters: int) -> np.ndarray:
    """How likely each character (column) is after each (row), Witten-Bell smoothing.

    Source: I. Witten, T. Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37(4),
    1991, method C: as much weight for the unigram as different characters were seen.
    """
    counts = np.zeros((characters, characters))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    kinds = np.maximum((counts > 0).sum(axis=1, keepdims=True), 1)
    smoothed = counts + kinds * unigram(train, characters)
    return smoothed / (counts.sum(axis=1, keepdims=True) + kinds)


def train(
    model: LanguageModel, text: np.ndarray, options: argparse.Namespace
) -> tuple[dict[str, np.ndarray], int, float]:
    """Train on the streams `text`; returns the parameters, the steps made, and the seconds."""
    adam = Adam(model.initial, clip=options.clip)
    progress = Progress()
    begin = time.monotonic()
    state = tape = None
    smooth = math.log(len(model.initial["softmax_b"]))
    read = count = 0
    for chunk, first in chunks(text, options.chunk):
        elapsed = time.monotonic() - begin
        done = elapsed / options.seconds
        if options.steps is not None:
            done = max(count / options.steps, done)
        if done >= 1:
            break
        if first:
            state = None
        loss, d_scores, outputs, state, tape = model.loss(adam.parameters, chunk, state, tape)
        gradients = model.gradients(adam.parameters, chunk, d_scores, outputs, tape)
        # Warm up over 20 steps, then down to a tenth along a cosine.
        rate = options.rate * min(1.0, (count + 1) / 20) * (0.55 + 0.45 * math.cos(math.pi * done))
        norm = adam.update(gradients, rate)
        if not math.isfinite(norm):
            raise SystemExit("the gradient is not finite; try a smaller --rate or --clip")
        count += 1
        read += d_scores.shape[0]
        smooth += (loss - smooth) * max(0.02, 1 / count)
        progress(
            f"{done:4.0%}  step {count}  epoch {read / text.size:.2f}  "
            f"{BITS * smooth:.3f} bits/character  |gradient| {norm:.2f}  "
            f"{read / max(time.monotonic() - begin, 1e-9):,.0f} characters/s"
        )
    progress.end()
    return adam.parameters, count, time.monotonic() - begin


def read_text(path: str) -> str:
    """The text of a file, unpacked if need be."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def load_module(options: argparse.Namespace) -> ModuleType:
    """The module in a file, or that of a cell as lstmgen makes it in memory."""
    if options.module is None:
        import lstmgen

        try:
            return lstmgen.compile(lstmgen.load(options.cell), "numpy")
        except lstmgen.LstmgenError as error:
            raise SystemExit(str(error)) from None
    spec = importlib.util.spec_from_file_location("generated_cell", options.module)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{options.module} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("text", help="the file to learn from")
    add("--cell", default="lstm", help="a built-in cell, or a file that declares one")
    add("--module", help="a generated NumPy module, instead of --cell")
    add("--hidden", type=int, default=256, help="hidden size")
    add("--embedding", type=int, help="size of a character's vector; 64 if not given")
    add("--batch", type=int, default=32, help="streams side by side")
    add("--chunk", type=int, default=64, help="steps that gradients flow back")
    add("--rate", type=float, default=1e-2, help="Adam's learning rate at its highest")
    add("--clip", type=float, default=1.0, help="longest gradient")
    add("--seconds", type=float, default=120.0, help="time to train")
    add("--steps", type=int, help="at most so many updates; with it runs can be repeated exactly")
    add("--seed", type=int, default=0)
    add("--sample", type=int, default=500, help="characters to print at the end")
    add("--heat", type=float, default=0.9, help="how daring the sample is")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Train, report, and print a sample."""
    options = arguments(given)
    try:
        text = read_text(options.text)
    except OSError as error:
        raise SystemExit(f"{options.text}: {error.strerror}") from None
    alphabet = sorted(set(text))
    number = {character: k for k, character in enumerate(alphabet)}
    codes = np.array([number[character] for character in text], np.int64)
    cut = len(codes) * 9 // 10
    learn, held_out = streams(codes[:cut], options.batch), streams(codes[cut:], 16)
    if len(learn) <= options.chunk or len(held_out) < 2:
        raise SystemExit(
            f"{len(text)} characters are too few for {options.batch} streams of chunks of "
            f"{options.chunk}; give a longer text, or a smaller --batch and --chunk"
        )
    module = load_module(options)
    model = LanguageModel(module, len(alphabet), options.hidden, options.embedding, options.seed)
    size = sum(value.size for value in model.initial.values())
    print(
        f"{module.CELL}, {options.hidden} units, {size:,} parameters; {len(text):,} characters, "
        f"{len(alphabet)} different, the last {len(codes) - cut:,} held out",
        flush=True,
    )
    parameters, steps, seconds = train(model, learn, options)
    train_text = codes[:cut]
    before, after = held_out[:-1], held_out[1:]
    one = -np.log2(unigram(train_text, len(alphabet))[after]).mean()
    two = -np.log2(bigram(train_text, len(alphabet))[before, after]).mean()
    cell = model.entropy(parameters, held_out, options.chunk)
    print(f"trained for {seconds:.0f} s, {steps} steps; bits per character on the held-out text:")
    for name, bits in (("unigram", one), ("bigram", two), (module.CELL, cell)):
        print(f"  {name:<16} {bits:.3f}")
    if options.sample:
        start = number.get("\n", 0)
        drawn = model.sample(parameters, start, options.sample, options.heat, options.seed)
        print("\nsample:\n" + "".join(alphabet[k] for k in drawn))


if __name__ == "__main__":
    main()
