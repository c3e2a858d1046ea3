"""The programs in examples/ do what they say, at small sizes."""

from __future__ import annotations

import gzip
import importlib
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import lstmgen

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> object:
    """Imports an example as a module, as running it from its folder would."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for path in EXAMPLES.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return importlib.import_module


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Sentences of a small grammar, gzipped."""
    random = np.random.default_rng(0)
    subjects, verbs = ["the cat", "a dog", "the old owl"], ["sees", "likes", "follows"]
    sentences = [
        f"{random.choice(subjects)} {random.choice(verbs)} {random.choice(subjects)}."
        for _ in range(600)
    ]
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress("\n".join(sentences).encode()))
    return path


SMALL = "--hidden 32 --batch 8 --chunk 24 --sample 60 --seconds 60".split()


def report(printed: str) -> dict[str, float]:
    """The bits per character that were printed."""
    return {name: float(bits) for name, bits in re.findall(r"^  (\w+) +([\d.]+)$", printed, re.M)}


def test_char_lm_learns_and_writes(
    example: object, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    char_lm = example("char_lm")  # type: ignore[operator]
    char_lm.main([str(text), "--steps", "1", *SMALL])
    first = report(capsys.readouterr().out)
    char_lm.main([str(text), "--steps", "150", *SMALL])
    printed = capsys.readouterr().out
    last = report(printed)
    assert first["unigram"] == last["unigram"] > last["bigram"]
    assert first["lstm"] > last["unigram"] > last["lstm"]
    sample = printed.partition("sample:\n")[2]
    assert len(sample.removesuffix("\n")) == 60
    assert set(sample) <= set(gzip.decompress(text.read_bytes()).decode())


def test_char_lm_takes_the_file_that_build_wrote(
    example: object, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    char_lm = example("char_lm")  # type: ignore[operator]
    module = tmp_path / "gru_numpy.py"
    module.write_text(lstmgen.render(lstmgen.load("gru"), "numpy"), encoding="utf-8")
    outputs = []
    for choice in (["--module", str(module)], ["--cell", "gru"]):
        char_lm.main([str(text), "--steps", "3", *SMALL, *choice])
        outputs.append(re.sub(r"for \d+ s", "", capsys.readouterr().out))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("cell", ["lstmp", "mut2", "fast_grnn_low_rank", "lem"])
def test_char_lm_takes_cells_with_sizes_of_their_own(
    example: object, text: Path, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    example("char_lm").main([str(text), "--steps", "2", *SMALL, "--cell", cell])  # type: ignore[operator]
    assert report(capsys.readouterr().out)[cell] > 0


def test_char_lm_refuses_what_it_cannot_read(example: object, tmp_path: Path) -> None:
    char_lm = example("char_lm")  # type: ignore[operator]
    short = tmp_path / "short.txt"
    short.write_text("too short")
    for arguments in ([str(tmp_path / "none.txt")], [str(short)]):
        with pytest.raises(SystemExit, match=r"No such file|too few"):
            char_lm.main(arguments)


def test_gradients_of_the_language_model(example: object) -> None:
    char_lm = example("char_lm")  # type: ignore[operator]
    module = lstmgen.compile(lstmgen.load("lstm"), "numpy")
    model = char_lm.LanguageModel(module, 7, 5, 4, 0)
    random = np.random.default_rng(1)
    # Differences need more digits than training does.
    params = {name: value.astype(float) for name, value in model.initial.items()}
    params["softmax_W"] += random.standard_normal(params["softmax_W"].shape)
    text = random.integers(0, 7, (6, 3))
    _, d_scores, outputs, _, tape = model.loss(params, text, None, None)
    gradients = model.gradients(params, text, d_scores, outputs, tape)
    assert set(gradients) == set(params)
    for name, value in params.items():
        direction = random.standard_normal(value.shape)
        ends = [
            model.loss({**params, name: value + sign * 1e-6 * direction}, text, None, None)[0]
            for sign in (1, -1)
        ]
        slope = float(np.sum(gradients[name] * direction))
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-6, abs=1e-9), name


def test_frequencies_are_probabilities(example: object) -> None:
    char_lm = example("char_lm")  # type: ignore[operator]
    text = np.array([0, 1, 0, 1, 2, 0, 1])
    assert char_lm.unigram(text, 4).sum() == pytest.approx(1)
    after = char_lm.bigram(text, 4)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    # After 0 came 1 three times, one kind: (3 + p(1)) / 4, with p(1) = (3 + 1) / (7 + 4).
    assert after[0, 1] == pytest.approx((3 + 4 / 11) / 4)
    assert (after > 0).all()


def test_adam_is_the_algorithm_of_the_paper(example: object) -> None:
    optimizer = example("optimizer")  # type: ignore[operator]
    random = np.random.default_rng(0)
    start = {"W": random.standard_normal((3, 2)), "b": np.asarray(0.5)}
    adam = optimizer.Adam(start, clip=2.0)
    wanted = {name: value.copy() for name, value in start.items()}
    m = {name: np.zeros_like(value) for name, value in start.items()}
    v = {name: np.zeros_like(value) for name, value in start.items()}
    for k in range(1, 6):
        gradients = {name: random.standard_normal(value.shape) for name, value in start.items()}
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients.values()))
        assert adam.update(gradients, 0.1) == pytest.approx(norm)
        for name, gradient in gradients.items():
            g = gradient * min(1.0, 2.0 / norm)
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            unbiased = m[name] / (1 - 0.9**k), v[name] / (1 - 0.999**k)
            wanted[name] = wanted[name] - 0.1 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    for name, value in wanted.items():
        np.testing.assert_allclose(adam.parameters[name], value, rtol=1e-12)


def test_the_tasks_ask_what_they_say(example: object) -> None:
    long_memory = example("long_memory")  # type: ignore[operator]
    x, answers = long_memory.Adding(40).draw(np.random.default_rng(0), 50)
    assert x.shape == (40, 50, 3) and answers.shape == (1, 50, 1)
    assert (x[:, :, 1].sum(axis=0) == 2).all() and (x[20:, :, 1] == 0).all()
    np.testing.assert_allclose((x[:, :, 0] * x[:, :, 1]).sum(axis=0), answers[0, :, 0], rtol=1e-6)
    task = long_memory.Copy(12)
    x, symbols = task.draw(np.random.default_rng(0), 50)
    codes = x.argmax(axis=2)
    assert (codes[:5] == symbols).all() and (codes[5:17] == 8).all() and (codes[17] == 9).all()
    assert len(codes) == task.steps == 22


@pytest.mark.parametrize("task", ["Adding", "Copy"])
def test_the_losses_of_the_tasks_have_their_gradients(example: object, task: str) -> None:
    kind = getattr(example("long_memory"), task)(12)  # type: ignore[operator]
    random = np.random.default_rng(0)
    _, wanted = kind.draw(random, 6)
    given = random.standard_normal((kind.answers, 6, kind.outputs))
    gradient, _ = kind.loss(given, wanted)
    if task == "Adding":
        np.testing.assert_allclose(gradient, 2 * (given - wanted) / 6)
        return
    direction = random.standard_normal(given.shape)
    ends = [entropy(given + sign * 1e-6 * direction, wanted) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(np.sum(gradient * direction)))


def entropy(scores: np.ndarray, wanted: np.ndarray) -> float:
    """The mean cross-entropy, written down by itself."""
    logs = np.log(np.exp(scores).sum(axis=2))
    rows, columns = np.indices(wanted.shape)
    return float(np.mean(logs - scores[rows, columns, wanted]))


def test_long_memory_trains_and_draws(
    example: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long_memory: ModuleType = example("long_memory")  # type: ignore[operator]
    options = "--cells rnn lstm --task adding --lag 4 --hidden 24 --updates 500 --rate 0.02".split()
    long_memory.main([*options, "-o", str(tmp_path)])
    pattern = r"^  (\w+) +(\d) of 1 seeds solved it .* updates; at the end ([\d.]+)$"
    rows = re.findall(pattern, capsys.readouterr().out, re.M)
    assert [name for name, _, _ in rows] == ["rnn", "lstm"]
    assert rows[1][1] == "1" and float(rows[1][2]) < 0.01
    root = ET.parse(tmp_path / "long_memory_adding.svg").getroot()
    assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 3
