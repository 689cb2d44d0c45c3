"""Runs an LSTM in the type of the autocast region on CPUs too, where autocast leaves it in f32; and away from a slow way that half precision takes on GPUs.

    python3 -m training.common.lstm OUT.jsonl       on a GPU: a step's milliseconds in each type, plain and packed
"""
import itertools
import json
import sys
import time

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def run(lstm, x, state=None):
    """lstm: batch-first nn.LSTM; x [B, T, C] or a packed sequence, which stays f32 on CPUs -> (y, state), as lstm(x, state)."""
    packed = isinstance(x, PackedSequence)
    device = (x.data if packed else x).device.type
    if not torch.is_autocast_enabled(device):
        return lstm(x, state)
    dtype = torch.get_autocast_dtype(device)
    if device != "cpu":
        return lstm(x, state) if packed or dtype != torch.float16 else run_packed(lstm, x, state)
    if packed:
        with torch.autocast("cpu", enabled=False):
            return lstm(x.to(torch.float32), state)
    rows, wide = (2 if lstm.bidirectional else 1) * lstm.num_layers, lstm.hidden_size
    with torch.autocast("cpu", enabled=False):
        if state is None:
            state = (x.new_zeros(rows, len(x), wide, dtype=dtype),) * 2
        weights = [w.to(dtype) for w in lstm._flat_weights]
        y, h, c = torch._VF.lstm(x.to(dtype), [s.to(dtype) for s in state], weights, lstm.bias, lstm.num_layers, lstm.dropout,
                                 lstm.training, lstm.bidirectional, lstm.batch_first)
    return y, (h, c)


def run_packed(lstm, x, state=None):
    """As lstm(x, state), x [B, T, C]. PyTorch asks cuDNN for its persistent algorithm where sequences are f16, plain and of widths that are multiples of
    128, up to 1024 (ATen/native/cudnn/RNN.cpp, use_persist_common_heuristics); packed ones take the standard algorithm, as bf16 does."""
    y, state = lstm(pack_padded_sequence(x, torch.full((len(x),), x.shape[1]), batch_first=True), state)
    return pad_packed_sequence(y, batch_first=True)[0], state


def step_ms(dtype, packed, layers=5, width=640, rows=160, steps=125, seconds=1.0):
    """Of forward and backward over a stack of layers."""
    stack = torch.nn.ModuleList(torch.nn.LSTM(width, width, batch_first=True) for _ in range(layers)).cuda()
    first, took = torch.randn(rows, steps, width, device="cuda"), []
    while len(took) < 3 or sum(took[2:]) < seconds:
        began, y = time.time(), first
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            for lstm in stack:
                y = run_packed(lstm, y)[0] if packed else lstm(y)[0]
        y.float().square().mean().backward()
        torch.cuda.synchronize()
        took.append(time.time() - began)
    return 1e3 * min(took[2:])


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        for dtype, packed in itertools.product((torch.float32, torch.bfloat16, torch.float16), (False, True)):
            line = dict(dtype=str(dtype), packed=packed, ms=round(step_ms(dtype, packed), 1), torch=torch.__version__, cudnn=torch.backends.cudnn.version(),
                        gpu=torch.cuda.get_device_name())
            print(json.dumps(line), file=f, flush=True)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
