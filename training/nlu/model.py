"""BERT encoder (Devlin et al., arXiv 1810.04805; post-norm, exact GELU) and the heads for understanding.

Parameter names of the encoder are Hugging Face's: bert.embeddings.*, bert.encoder.layer.N.*. Heads, h [B, T, 384] the last hidden states:

    intent   tanh(intent.dense @ concat(h[:, 0], mean of h over the pieces, special ones included)) -> intent.out -> [B, intents]
    slots    slots.weight @ h -> [B, T, labels]; read at the first piece of each word, with slot_next [labels, labels] between words (chain.py)
    qa       qa.weight @ h -> [B, T, 2]: start and end; position 0 ([CLS]) for both says that there is no answer
    embed    that mean, scaled to length 1 -> [B, 384]: all-MiniLM-L6-v2's sentence embedding, kept by distillation

With `buckets` the encoder is MPNet's (Song et al., arXiv 2004.09297): each head adds a learnt number to its scores, by how far apart two pieces stand
(T5's buckets, arXiv 1910.10683, section 2.1). It trains what ships and does not ship itself (mpnet.py).
"""
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, LAYERS, INNER, POSITIONS = 384, 12, 6, 1536, 512
EPSILON, EPSILON_MPNET = 1e-12, 1e-5


class Geometry(NamedTuple):
    """Of the encoder; as it ships. buckets: of distances, 0: none."""
    width: int = WIDTH
    heads: int = HEADS
    layers: int = LAYERS
    inner: int = INNER
    buckets: int = 0

    def norm(self):
        return nn.LayerNorm(self.width, eps=EPSILON_MPNET if self.buckets else EPSILON)


def geometry_of(weights):
    """Of an encoder's or a whole network's {name: tensor}; heads are 32 wide in networks of 384, else 64."""
    at = "bert." if "bert.embeddings.LayerNorm.weight" in weights else ""
    inner, width = weights[at + "encoder.layer.0.intermediate.dense.weight"].shape
    layers = 1 + max(int(k.removeprefix(at).split(".")[2]) for k in weights if k.startswith(at + "encoder.layer."))
    apart = weights.get(at + "apart.weight")
    heads = apart.shape[1] if apart is not None else max(1, width // (32 if width == WIDTH else 64))
    return Geometry(width, heads, layers, inner, 0 if apart is None else apart.shape[0])


def bucket(distance, buckets, farthest=128):
    """i64 distances (of the piece seen from the one that looks) -> bucket: half of them for each side, half of those for single pieces, the others wider and wider."""
    side, near = buckets // 2, buckets // 4
    far = distance.abs()
    wide = near + (torch.log(far.clamp_min(1).float() / near) / math.log(farthest / near) * (side - near)).long()
    return torch.where(far < near, far, wide.clamp_max(side - 1)) + side * (distance > 0)


class Embeddings(nn.Module):
    def __init__(self, pieces, size):
        super().__init__()
        width = size.width
        self.word_embeddings = nn.Embedding(pieces, width)
        self.position_embeddings = nn.Embedding(POSITIONS, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = size.norm()

    def forward(self, ids, types):
        first, second = self.token_type_embeddings.weight
        of_type = torch.where(types[..., None] > 0, second, first)  # a look-up's gradient is slow where rows are so few
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings.weight[:ids.shape[1]] + of_type)


class SelfAttention(nn.Module):
    """Names as Hugging Face: self.{query,key,value}, output.{dense,LayerNorm}."""

    def __init__(self, size, drop):
        super().__init__()
        self.heads, self.drop = size.heads, drop
        self.self = nn.ModuleDict({k: nn.Linear(size.width, size.width) for k in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(size.width, size.width), "LayerNorm": size.norm()})

    def forward(self, x, mask):
        b, t, width = x.shape
        q, k, v = (self.self[n](x).view(b, t, self.heads, width // self.heads).transpose(1, 2) for n in ("query", "key", "value"))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.drop if self.training else 0.0)
        y = self.output["dense"](y.transpose(1, 2).reshape(b, t, width))
        return self.output["LayerNorm"](x + F.dropout(y, self.drop, self.training))


class Layer(nn.Module):
    def __init__(self, size, drop):
        super().__init__()
        self.drop = drop
        self.attention = SelfAttention(size, drop)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size.width, size.inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(size.inner, size.width), "LayerNorm": size.norm()})

    def forward(self, x, mask):
        x = self.attention(x, mask)
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](x + F.dropout(y, self.drop, self.training))


class Bert(nn.Module):
    """ids, types i64 [B, T], keep bool [B, T] (false: padding) -> [B, T, width]."""

    def __init__(self, pieces, drop=0.1, size=Geometry()):
        super().__init__()
        self.drop = drop
        self.embeddings = Embeddings(pieces, size)
        self.apart = nn.Embedding(size.buckets, size.heads).requires_grad_(False) if size.buckets else None
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(size, drop) for _ in range(size.layers))})

    def forward(self, ids, types, keep):
        x = F.dropout(self.embeddings(ids, types), self.drop, self.training)
        mask = keep[:, None, None] if self.apart is None else self.scores(keep, x.dtype)
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return x

    def scores(self, keep, dtype):
        """[B, heads, T, T], -inf at padding: what stands beside the products of queries and keys."""
        at = torch.arange(keep.shape[1], device=keep.device)
        apart = self.apart(bucket(at - at[:, None], self.apart.num_embeddings)).permute(2, 0, 1)
        return apart.masked_fill(~keep[:, None, None], -torch.inf).to(dtype)


def mean_pool(hidden, keep):
    """[B, T, D] -> [B, D] f32, over the pieces kept."""
    weight = keep[..., None].float()
    return (hidden.float() * weight).sum(1) / weight.sum(1)


class Understanding(nn.Module):
    def __init__(self, pieces, intents, labels, drop=0.1, size=Geometry()):
        super().__init__()
        self.drop, width = drop, size.width
        self.bert = Bert(pieces, drop, size)
        self.intent = nn.ModuleDict({"dense": nn.Linear(2 * width, width), "out": nn.Linear(width, intents)})
        self.slots = nn.Linear(width, labels)
        self.slot_next = nn.Parameter(torch.zeros(labels, labels))
        self.qa = nn.Linear(width, 2)

    def load_start(self, weights):
        """The encoder from {name without "bert.": tensor}."""
        self.bert.load_state_dict({k: v.float() for k, v in weights.items()})

    @torch.no_grad()
    def begin_anew(self):
        """The encoder as BERT began: normal weights of 0.02, no biases."""
        for part in self.bert.modules():
            if isinstance(part, (nn.Linear, nn.Embedding)):
                part.weight.normal_(0, 0.02)
            if isinstance(part, nn.Linear):
                part.bias.zero_()

    def utterance(self, ids, keep):
        """-> intent logits [B, intents], slot logits [B, T, labels], sentence embedding [B, 384] of length 1, hidden."""
        hidden = self.bert(ids, torch.zeros_like(ids), keep)
        mean = mean_pool(hidden, keep)
        both = torch.cat([hidden[:, 0].float(), mean], 1)
        dense = torch.tanh(self.intent["dense"](F.dropout(both, self.drop, self.training)))
        logits = self.intent["out"](F.dropout(dense, self.drop, self.training))
        slots = self.slots(F.dropout(hidden, self.drop, self.training))
        return logits, slots, F.normalize(mean, dim=-1), hidden

    def question(self, ids, types, keep):
        """-> start and end logits [B, T] each, -inf at padding, and hidden."""
        hidden = self.bert(ids, types, keep)
        logits = self.qa(F.dropout(hidden, self.drop, self.training)).float().masked_fill(~keep[..., None], -torch.inf)
        return logits[..., 0], logits[..., 1], hidden
