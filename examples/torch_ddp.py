"""DistributedDataParallel over two processes on one machine, with a layer of lstmgen.

python examples/torch_ddp.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch_peephole import Adder, draw

PROCESSES = 2


def work(rank: int, meeting: str, updates: int) -> None:
    """Train on this process's part of each batch; the gradients are averaged over all."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=PROCESSES)
    torch.manual_seed(0)
    model = DistributedDataParallel(Adder(hidden=16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    torch.manual_seed(rank)  # from here on each has sequences of its own
    for update in range(1, updates + 1):
        x, wanted = draw(16, 20)
        loss = nn.functional.mse_loss(model(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update % 50 == 0:
            mean = loss.detach() / PROCESSES
            dist.all_reduce(mean)
            if rank == 0:
                print(f"update {update}: mean squared error {mean.item():.4f}", flush=True)
    total = torch.stack([p.detach().sum() for p in model.parameters()])
    everyone = [torch.empty_like(total) for _ in range(PROCESSES)]
    dist.all_gather(everyone, total)
    if rank == 0:
        same = all(torch.equal(total, other) for other in everyone)
        print(f"{PROCESSES} processes have {'the same' if same else 'DIFFERENT'} weights")
    dist.destroy_process_group()


def main(arguments: list[str] | None = None) -> None:
    """Start the processes and wait for them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--updates", type=int, default=100)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        torch.multiprocessing.spawn(work, (meeting, options.updates), nprocs=PROCESSES)


if __name__ == "__main__":
    main()
