"""Golden data for the C++ path: real speech -> features -> log-probabilities by PyTorch on the CPU in f32.

    python3 -m training.asr.golden CHECKPOINT.pt OUT_DIR --data DATA

For each utterance OUT_DIR/NAME.safetensors with pcm I32 [n] of 16-bit samples, features F32 [T, 80], logp F32 [T / 4, 29] by the f32
weights and logp_int8 by the INT8 weights expanded to f32. T = 4 ceil(n / 640); zeros follow the last sample.
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F

from ..common.data import corpus_rows, decode
from ..common.text import clean
from .evaluate import greedy, load_net
from .export import rounded
from .model import LogMel
from .tensors import save_tensors

UTTERANCES = (("librispeech_mini", "1272-128104-0003"), ("commonvoice_v6_sample", None))


def find(data, corpus, ident, seconds=(2.0, 4.0)):
    """The utterance of that id, or the first of such a length."""
    for r in corpus_rows(data, corpus):
        if r["id"] == ident or ident is None and seconds[0] <= int(r["num_samples"]) / 16000 <= seconds[1]:
            return r
    raise KeyError(f"{corpus}: no utterance {ident}")


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--seconds", type=float, default=4.0, help="of each utterance at most")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    net, saved = load_net(a.checkpoint, "cpu")
    small, _ = load_net(a.checkpoint, "cpu")
    small.load_state_dict(rounded(net.state_dict()))
    for corpus, ident in UTTERANCES:
        r = find(a.data, corpus, ident)
        at, n = int(r["start_sample"]), min(int(r["num_samples"]), int(a.seconds * 16000))
        pcm = torch.from_numpy(decode(os.path.join(a.data, "speech", corpus + ".opus"))[at:at + n].copy())
        x = F.pad(pcm.float() / 32768, (0, -n % 640))[None]
        mel = LogMel()(x)
        logp, logp8 = net(mel)[0], small(mel)[0]
        name = f"{corpus}-{r['id']}"
        size = save_tensors(os.path.join(a.out, name + ".safetensors"),
                            dict(pcm=pcm.int(), features=mel[0].T, logp=logp, logp_int8=logp8), dict(text=clean(r["text"])))
        heard = greedy(torch.stack([logp, logp8]).argmax(-1), [len(logp)] * 2)
        print(json.dumps(dict(name=name, bytes=size, text=clean(r["text"]), f32=heard[0], int8=heard[1],
                              worst=round(float((logp - logp8).abs().max()), 4))))


if __name__ == "__main__":
    main()
