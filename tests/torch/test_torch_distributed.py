"""DistributedDataParallel: two processes have the gradients of one with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from torch_layers import inputs, layer, torch

WORKER = """
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, {support!r})
from torch_layers import inputs, layer

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
found = []
for name in {cells!r}:
    made = layer(name, num_layers=2, bidirectional=True)
    x = inputs(made, 6, 4, grad=False)
    mine = slice(2 * rank, 2 * rank + 2)
    x = {{k: a[:, mine] for k, a in x.items()}} if isinstance(x, dict) else x[:, mine]
    parallel = DistributedDataParallel(made)
    for _ in range(2):  # buckets are made anew after the first
        made.zero_grad()
        output, _ = parallel(x)
        output.sin().mean().backward()
    found.append([p.grad for p in made.parameters()])
torch.save(found, sys.argv[2] + f".{{rank}}")
dist.destroy_process_group()
"""
CELLS = ["peephole", "zoneout_lstm"]  # the second has several inputs


def test_two_processes_and_one(tmp_path: Path) -> None:
    support = str(Path(__file__).parents[1] / "support")
    meeting = str(tmp_path / "meeting")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    code = WORKER.format(support=support, cells=CELLS)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), meeting],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    found = [torch.load(f"{meeting}.{rank}") for rank in range(2)]
    for name, *both in zip(CELLS, *found, strict=True):
        made = layer(name, num_layers=2, bidirectional=True)
        made(inputs(made, 6, 4, grad=False))[0].sin().mean().backward()
        for p, first, second in zip(made.parameters(), *both, strict=True):
            assert torch.equal(first, second)
            torch.testing.assert_close(p.grad, first, rtol=1e-12, atol=1e-16)
