"""A cell from its paper's LaTeX, GRU-D, trained on series with missing values, of any length.

gru_d.tex holds the equations.  The series are noisy sine waves of one of two frequencies; of their
values some are missing, and each has a length of its own.  A GRU-D is told which values are there
and how old the last one is.

    python examples/torch_gru_d.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

import lstmgen.torch

EQUATIONS = Path(__file__).with_name("gru_d.tex")


class Classifier(nn.Module):
    """Series of D values to the scores of two classes."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.gru_d = lstmgen.torch.Recurrent(EQUATIONS, size, hidden)
        self.scores = nn.Linear(hidden, 2)

    def forward(self, series: dict[str, torch.Tensor], lengths: torch.Tensor) -> torch.Tensor:
        """Inputs (T, B, D) and lengths (B,) to (B, 2)."""
        _, last = self.gru_d(series, lengths=lengths)
        return self.scores(last[0])  # the state after the last step of each row


def draw(
    rows: int, steps: int, size: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Inputs of GRU-D by their names, lengths, and classes."""
    lengths = torch.randint(steps // 2, steps + 1, (rows,))
    classes = torch.randint(0, 2, (rows,))
    time = torch.arange(steps).unsqueeze(1)
    wave = torch.sin(time * (0.5 + 0.4 * classes) + 6.3 * torch.rand(rows))
    values = wave.unsqueeze(2) + 0.3 * torch.randn(steps, rows, size)
    m = (torch.rand(steps, rows, size) < 0.4).float()
    x, age, last = values * m, torch.zeros_like(m), torch.zeros_like(m)
    for t in range(1, steps):  # what was seen before step t, and how long ago
        last[t] = m[t - 1] * x[t - 1] + (1 - m[t - 1]) * last[t - 1]
        age[t] = 1 + (1 - m[t - 1]) * age[t - 1]
    return {"x": x, "m": m, "delta": age / 10, "x_prime": last}, lengths, classes


def main(arguments: list[str] | None = None) -> float:
    """Train; gives the share of fresh series that are classified right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=200)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    model = Classifier(size=2, hidden=16)
    print(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for update in range(1, options.updates + 1):
        series, lengths, classes = draw(32, 30, 2)
        loss = nn.functional.cross_entropy(model(series, lengths), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update % 50 == 0:
            print(f"update {update}: cross-entropy {loss.item():.3f}")
    with torch.inference_mode():
        series, lengths, classes = draw(1000, 30, 2)
        right = (model(series, lengths).argmax(1) == classes).float().mean().item()
    print(f"classified right: {right:.1%}, by guessing 50 %")
    return right


if __name__ == "__main__":
    main()
