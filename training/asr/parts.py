"""What each part of a recogniser's training step costs in each type, to find out which one is slow in it.

    python3 -m training.asr.parts OUT.jsonl       on a GPU: milliseconds of forward and backward, and of the optimiser
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

from .model import LOOKAHEAD, MELS, SYMBOLS, Acoustic

TYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)


def parts(device, dtype, rows=160, steps=125, width=640, layers=5):
    """Yields (name, function that does the part once); rows of so many steps of the network, four frames each."""
    net = Acoustic(width, layers).to(device)
    narrow = lambda: torch.autocast(device, dtype, enabled=dtype != torch.float32)
    mel, hidden = torch.randn(rows, MELS, 4 * steps, device=device), torch.randn(rows, steps, width, device=device, requires_grad=True)
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    opt = torch.optim.AdamW(net.parameters(), 1e-6, fused=device == "cuda")

    def learnt(forward):
        def work():
            with narrow():
                y = forward()
            scaler.scale(y.float().square().mean() if y.ndim else y).backward()
        return work

    def stacked():
        x = hidden
        for lstm in net.lstms:
            x = lstm(x)[0]
        return x

    def ctc():
        log_p = net.log_probabilities(net.out(hidden)).transpose(0, 1)
        said = torch.ones(rows, steps // 4, dtype=torch.long, device=device)
        lengths = [torch.full((rows,), n, dtype=torch.long, device=device) for n in (steps, steps // 4)]
        return F.ctc_loss(log_p, said % (SYMBOLS - 1), *lengths, zero_infinity=True)

    def updated():
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        scaler.scale(torch.zeros((), device=device))
        scaler.unscale_(opt)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
        scaler.step(opt)
        scaler.update()
    yield "convolutions", learnt(lambda: net.front(mel))
    yield "LSTMs", learnt(stacked)
    yield "look-ahead", learnt(lambda: net.ahead(F.pad(hidden.transpose(1, 2), (0, LOOKAHEAD))))
    yield "CTC", learnt(ctc)
    yield "optimiser", updated


def least_ms(part, seconds=1.0):
    took = []
    while len(took) < 3 or sum(took[2:]) < seconds:
        began = time.time()
        part()
        torch.cuda.synchronize()
        took.append(time.time() - began)
    return 1e3 * min(took[2:])


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    a = ap.parse_args()
    with open(a.out, "w", encoding="utf-8") as f:
        for name, dtype in TYPES.items():
            found = {part: round(least_ms(work), 2) for part, work in parts("cuda", dtype)}
            line = dict(type=name, ms=found, torch=torch.__version__, cudnn=torch.backends.cudnn.version(), gpu=torch.cuda.get_device_name())
            print(json.dumps(line), file=f, flush=True)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
