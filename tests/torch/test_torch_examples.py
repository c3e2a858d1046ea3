"""The examples with PyTorch, and the README's, do what they say."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

from torch_layers import torch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(program: str, *options: str) -> str:
    """What an example prints."""
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_lstm_is_swapped_for_a_peephole_by_two_lines() -> None:
    before, after = (
        (EXAMPLES / name).read_text().splitlines()
        for name in ("torch_lstm.py", "torch_peephole.py")
    )
    changed = [d for d in difflib.ndiff(before, after) if d[0] in "+-" and d[1:].strip()]
    assert changed == [
        "+ import lstmgen.torch",
        "-         self.lstm = nn.LSTM(2, hidden, num_layers=2, batch_first=True)",
        '+         self.lstm = lstmgen.torch.Recurrent("peephole", 2, hidden, 2, batch_first=True)',
    ]
    for program in ("torch_lstm.py", "torch_peephole.py"):
        printed = run(program, "--updates", "100")
        found = re.fullmatch(r"update 100: mean squared error (0\.\d+)\n", printed)
        assert found and float(found[1]) < 0.3, printed


def test_gru_d_from_its_papers_latex_learns() -> None:
    printed = run("torch_gru_d.py", "--updates", "200")
    assert "(gru_d): Recurrent(gru_d, 2, 16, computed by" in printed
    right = re.search(r"classified right: ([\d.]+)%", printed)
    assert right and float(right[1]) > 80, printed


def test_two_processes_train_together() -> None:
    assert run("torch_ddp.py", "--updates", "4") == "2 processes have the same weights\n"


def test_the_readmes_layers_run(tmp_path: Path) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"^<!-- torch: \w+ -->\n```python\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) > 1
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for block in blocks:
            exec(compile(block, "README.md", "exec"), {})
    finally:
        os.chdir(before)
    assert torch.is_grad_enabled()
