"""Work on one vector as a CUDA graph."""
import math

import torch


class Graph:
    """Owns the vector (i32) and the graph of work(vector); memory is the pool's, so graphs that share one must not run side by side."""

    def __init__(self, work, shapes, pool):
        self.flat = torch.ones(sum(math.prod(s) for s in shapes), dtype=torch.int32, device="cuda")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            work(self.flat)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
            work(self.flat)

    def __call__(self, flat):
        self.flat.copy_(flat, non_blocking=True)
        self.graph.replay()
