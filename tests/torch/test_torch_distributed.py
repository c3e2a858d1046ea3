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
made = layer("peephole", num_layers=2, bidirectional=True)
x = inputs(made, 6, 4, grad=False)
parallel = DistributedDataParallel(made)
for _ in range(2):  # buckets are made anew after the first
    made.zero_grad()
    output, _ = parallel(x[:, 2 * rank : 2 * rank + 2])
    output.sin().mean().backward()
torch.save([p.grad for p in made.parameters()], sys.argv[2] + f".{{rank}}")
dist.destroy_process_group()
"""


def test_two_processes_and_one(tmp_path: Path) -> None:
    support = str(Path(__file__).parents[1] / "support")
    meeting = str(tmp_path / "meeting")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    code = WORKER.format(support=support)
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
    made = layer("peephole", num_layers=2, bidirectional=True)
    made(inputs(made, 6, 4, grad=False))[0].sin().mean().backward()
    found = [torch.load(f"{meeting}.{rank}") for rank in range(2)]
    for p, first, second in zip(made.parameters(), *found, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(p.grad, first, rtol=1e-12, atol=1e-16)
