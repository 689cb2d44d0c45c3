"""Several GPUs of one machine that learn one network: each takes batches of its own, and their weights are averaged now and then.

Local SGD (Stich 2019, arXiv 1805.09767): nothing waits between two averages, so batches may differ in length from GPU to GPU.
"""
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class Workers:
    """This process among `count`; rank 0 keeps the clock, the log and the checkpoints."""

    def __init__(self, rank=0, count=1, port=0):
        self.rank, self.count = rank, count
        if count > 1:
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)

    @torch.no_grad()
    def mean(self, tensors):
        """Gives every tensor the mean over all workers; all of one dtype and device."""
        if self.count == 1:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        torch._foreach_copy_(tensors, [p.view_as(t) for p, t in zip((flat / self.count).split([t.numel() for t in tensors]), tensors)])

    def sent(self, thing):
        """Rank 0's object, pickled, at every worker."""
        if self.count > 1:
            told = [thing]
            dist.broadcast_object_list(told, 0, device=torch.device("cpu"))
            thing = told[0]
        return thing

    def tensor(self, mine, size, dtype, device):
        """Rank 0's tensor `mine` of `size` elements on every worker's device."""
        if self.count == 1:
            return mine
        mine = mine if self.rank == 0 else torch.empty(size, dtype=dtype, device=device)
        dist.broadcast(mine.view(torch.uint8), 0)
        return mine

    def agreed(self, value):
        """Rank 0's number; the GPUs need not wait for it."""
        if self.count > 1:
            told = torch.tensor([value], dtype=torch.float64)
            dist.broadcast(told, 0)
            value = told.item()
        return value

    def close(self):
        if self.count > 1:
            dist.destroy_process_group()


def one(rank, work, a, count, port):
    if a.device == "cuda":
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(1)
    workers = Workers(rank, count, port)
    work(a, workers)
    workers.close()


def start(work, a, count):
    """Calls work(a, Workers) in this process, or in `count` of them, one a GPU; one that fails ends all."""
    if count == 1:
        work(a, Workers())
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(one, (work, a, count, port), nprocs=count)
