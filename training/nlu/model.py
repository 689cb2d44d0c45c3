"""BERT encoder (Devlin et al., arXiv 1810.04805; post-norm, exact GELU) and the heads for understanding.

Parameter names of the encoder are Hugging Face's: bert.embeddings.*, bert.encoder.layer.N.*. Heads, h [B, T, 384] the last hidden states:

    intent   tanh(intent.dense @ concat(h[:, 0], mean of h over the pieces, special ones included)) -> intent.out -> [B, intents]
    slots    slots.weight @ h -> [B, T, labels]; read at the first piece of each word, with slot_next [labels, labels] between words (chain.py)
    qa       qa.weight @ h -> [B, T, 2]: start and end; position 0 ([CLS]) for both says that there is no answer
    embed    that mean, scaled to length 1 -> [B, 384]: all-MiniLM-L6-v2's sentence embedding, kept by distillation
"""
import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, LAYERS, INNER, POSITIONS = 384, 12, 6, 1536, 512
EPSILON = 1e-12


def norm():
    return nn.LayerNorm(WIDTH, eps=EPSILON)


class Embeddings(nn.Module):
    def __init__(self, pieces):
        super().__init__()
        self.word_embeddings = nn.Embedding(pieces, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = norm()

    def forward(self, ids, types):
        x = self.word_embeddings(ids) + self.position_embeddings.weight[:ids.shape[1]] + self.token_type_embeddings(types)
        return self.LayerNorm(x)


class SelfAttention(nn.Module):
    """Names as Hugging Face: self.{query,key,value}, output.{dense,LayerNorm}."""

    def __init__(self, drop):
        super().__init__()
        self.drop = drop
        self.self = nn.ModuleDict({k: nn.Linear(WIDTH, WIDTH) for k in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(WIDTH, WIDTH), "LayerNorm": norm()})

    def forward(self, x, mask):
        b, t, _ = x.shape
        q, k, v = (self.self[n](x).view(b, t, HEADS, WIDTH // HEADS).transpose(1, 2) for n in ("query", "key", "value"))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.drop if self.training else 0.0)
        y = self.output["dense"](y.transpose(1, 2).reshape(b, t, WIDTH))
        return self.output["LayerNorm"](x + F.dropout(y, self.drop, self.training))


class Layer(nn.Module):
    def __init__(self, drop):
        super().__init__()
        self.drop = drop
        self.attention = SelfAttention(drop)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER)})
        self.output = nn.ModuleDict({"dense": nn.Linear(INNER, WIDTH), "LayerNorm": norm()})

    def forward(self, x, mask):
        x = self.attention(x, mask)
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](x + F.dropout(y, self.drop, self.training))


class Bert(nn.Module):
    """ids, types i64 [B, T], keep bool [B, T] (false: padding) -> [B, T, 384]."""

    def __init__(self, pieces, drop=0.1):
        super().__init__()
        self.drop = drop
        self.embeddings = Embeddings(pieces)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(drop) for _ in range(LAYERS))})

    def forward(self, ids, types, keep):
        x = F.dropout(self.embeddings(ids, types), self.drop, self.training)
        for layer in self.encoder["layer"]:
            x = layer(x, keep[:, None, None])
        return x


def mean_pool(hidden, keep):
    """[B, T, D] -> [B, D] f32, over the pieces kept."""
    weight = keep[..., None].float()
    return (hidden.float() * weight).sum(1) / weight.sum(1)


class Understanding(nn.Module):
    def __init__(self, pieces, intents, labels, drop=0.1):
        super().__init__()
        self.drop = drop
        self.bert = Bert(pieces, drop)
        self.intent = nn.ModuleDict({"dense": nn.Linear(2 * WIDTH, WIDTH), "out": nn.Linear(WIDTH, intents)})
        self.slots = nn.Linear(WIDTH, labels)
        self.slot_next = nn.Parameter(torch.zeros(labels, labels))
        self.qa = nn.Linear(WIDTH, 2)

    def load_start(self, weights):
        """The encoder from {name without "bert.": tensor}."""
        self.bert.load_state_dict({k: v.float() for k, v in weights.items()})

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
