"""`python -m benchmarks.torch` compares before it measures; the README shows what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch_layers import torch

from benchmarks import readme
from benchmarks.cpu_parts.agreement import Disagreement
from benchmarks.readme import TORCH_PLACES, figures
from benchmarks.torch import _agree, _opponent, _problem, main, one_thread
from benchmarks.torch_parts import on_device
from benchmarks.torch_parts.contenders import Bare, Layer, random_lengths
from benchmarks.torch_parts.report import markdown

ROOT = Path(__file__).parents[2]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.torch", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_quick_run_writes_json_and_table(tmp_path: Path) -> None:
    done = run("--quick", "--cells", "rnn", "--sizes", "a", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("torch-*-quick.json")
    document = json.loads(written.read_text())
    assert written.with_suffix(".txt").read_text() == done.stdout
    assert {(r["against"], r["mode"]) for r in document["races"]} == {
        ("nn.RNN", "training"),
        ("nn.RNN", "inference"),
        ("bare Function", "training"),
        ("packed, by packed", "training"),
        ("packed, by lengths", "training"),
        ("packed, by padded", "training"),
    }
    assert "| rnn | nn.RNN | training | " in markdown(document)


def test_what_cannot_be_measured_ends_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_thread, "pin", lambda: None)
    assert main(["--cells", "no_such_cell"]) == 2
    assert main(["--show", "--sizes", "a"]) == 2
    if not torch.cuda.is_available():
        assert main(["--device", "cuda"]) == 4


def test_races_on_a_device_go_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    def broken(problem):
        raise RuntimeError("no such thing\nand more")

    cells = {"lstm": ("broken", broken), "peephole": ("eager loop", _opponent("peephole"))}
    found = list(on_device.races(cells, "a", _problem, torch.device("cpu"), 60))
    assert [r.get("error") for r in found[:2]] == ["RuntimeError: no such thing"] * 2
    assert all(r["ratio"]["median"] > 0 for r in found[2:]) and len(found) == 4
    assert (
        "left out"
        in list(on_device.races(cells, "a", _problem, torch.device("cpu"), 0))[3]["error"]
    )
    document = {
        "device": {"name": "some GPU", "cuda": "13.0"},
        "date": "2026-01-01",
        "target": "cupy",
        "opponents": {},
        "versions": {"torch": "2"},
        "sizes": {"a": {}},
        "races": found,
    }
    assert "eager loop   inference a (100,1,32,32)" in on_device.text(document)
    assert "| peephole | eager loop | training |" in markdown(document)


def test_those_that_compute_something_else_are_not_timed() -> None:
    class Wrong(Layer):
        def results(self):
            return {**super().results(), "dx": np.zeros_like(self.problem.x)}

    for cell in ("lstm", "gru_reset_after", "rnn", "peephole"):
        _agree(cell, {"layer": Layer, "other": _opponent(cell), "bare": Bare})
    with pytest.raises(Disagreement, match="wrong: dx deviates"):
        _agree("rnn", {"layer": Layer, "wrong": Wrong})
    lengths = random_lengths(50, 32)
    assert max(lengths) == 50 and min(lengths) >= 1 and len(lengths) == 32
    assert torch.get_num_threads() == 1 and _problem("rnn", _size()).x.dtype == np.float32


def _size():
    from benchmarks.cpu_parts.sizes import SIZES

    return SIZES["a"]


@pytest.mark.parametrize("page", TORCH_PLACES)
def test_the_ratios_shown_are_those_of_a_whole_run(page: str) -> None:
    path, said = figures((ROOT / page).read_text(encoding="utf-8"), "torch-figures")
    if path == "none":
        assert not said
        return
    document = json.loads((ROOT / path).read_text(encoding="utf-8"))
    assert said == TORCH_PLACES[page](document) and not document["quick"]


def test_the_pages_get_the_figures_of_a_run(tmp_path: Path, monkeypatch) -> None:
    def record(against: str, mode: str, size: str, ratio: float) -> dict:
        return {
            "cell": "lstm", "against": against, "mode": mode, "size": size,
            "ratio": {"median": ratio}, "seconds": 1.0,
        }  # fmt: skip

    document = {
        "date": "2026-01-01",
        "machine": {"processor": "Some"},
        "target": "c",
        "opponents": {"lstm": "nn.LSTM"},
        "quick": False,
        "sizes": {"a": {"T": 1, "B": 2, "D": 3, "H": 4}},
        "races": [
            record("nn.LSTM", "training", "a (1,2,3,4)", 2.0),
            record("nn.LSTM", "inference", "a (1,2,3,4)", 3.0),
            record("packed, by packed", "training", "lengths (9,9,9,9)", 4.0),
            record("packed, by padded", "training", "lengths (9,9,9,9)", 5.0),
            record("bare Function", "training", "a (1,2,3,4)", 0.9),
        ],
    }
    result = tmp_path / "torch-some.json"
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    for name in TORCH_PLACES:
        (tmp_path / name).write_text(
            "a\n<!-- torch-figures: none -->\n\n<!-- torch-figures end -->\n"
        )
    for quick, status in ((True, 2), (False, 0)):
        result.write_text(json.dumps({**document, "quick": quick}))
        assert readme.main([str(result), "--root", str(tmp_path)]) == status
    rows = {
        name: [line for line in (tmp_path / name).read_text().splitlines() if "| lstm" in line]
        for name in TORCH_PLACES
    }
    assert rows["README.md"] == ["| lstm | nn.LSTM | training | 2.00 | 4.00 |"]
    assert rows["docs/torch.md"] == [
        "| lstm | nn.LSTM | training | 2.00 | 4.00 |",
        "| lstm | nn.LSTM | inference | 3.00 |  |",
        "| lstm | nn.LSTM | training, padded |  | 5.00 |",
        "| lstm | bare Function | training | 0.90 |  |",
    ]
    assert all("lstm" in (tmp_path / name).read_text() for name in TORCH_PLACES)
    with pytest.raises(SystemExit):
        readme.main([])
