"""The deck's language and recommendation networks. `small`: the same structure in golden size."""
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids, mask):
        out = self.net(input_ids=ids, attention_mask=mask)
        return out.last_hidden_state, out.pooler_output


def text(vocabulary, tokens, masked):
    ids, mask = torch.randint(2, vocabulary, (1, tokens)), torch.ones(1, tokens, dtype=torch.int64)
    mask[:, tokens - masked:] = 0
    return (ids, mask), ["ids", "mask"], ["hidden", "pooled"]


def bert(small):
    from transformers import BertConfig, BertModel
    if small:
        config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                            max_position_embeddings=12, attn_implementation="eager")
        return Encoder(BertModel(config)), *text(50, 9, 2)
    return Encoder(BertModel(BertConfig(attn_implementation="eager"))), *text(30000, 128, 0)


def roberta(small):
    from transformers import RobertaConfig, RobertaModel
    if small:
        config = RobertaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                               max_position_embeddings=14, attn_implementation="sdpa")
        return Encoder(RobertaModel(config)), *text(50, 9, 2)
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, attn_implementation="sdpa")
    return Encoder(RobertaModel(config)), *text(50000, 128, 0)


class Ncf(nn.Module):
    """NeuMF (arXiv 1708.05031): products of factors, and layers over both embeddings."""

    def __init__(self, users, items, factors, layers):
        super().__init__()
        self.user_gmf, self.item_gmf = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.user_mlp, self.item_mlp = nn.Embedding(users, layers[0] // 2), nn.Embedding(items, layers[0] // 2)
        self.mlp = nn.ModuleList(nn.Linear(i, o) for i, o in zip(layers, layers[1:]))
        self.out = nn.Linear(factors + layers[-1], 1)

    def forward(self, users, items):
        x = torch.cat([self.user_mlp(users), self.item_mlp(items)], -1)
        for layer in self.mlp:
            x = torch.relu(layer(x))
        gmf = self.user_gmf(users) * self.item_gmf(items)
        return torch.sigmoid(self.out(torch.cat([gmf, x], -1))).squeeze(-1)


def ncf(small):
    net = Ncf(30, 40, 8, [16, 16, 8]) if small else Ncf(138493, 26744, 64, [256, 256, 128, 64])
    batch, users, items = (7, 30, 40) if small else (256, 138493, 26744)
    return net, (torch.randint(0, users, (batch,)), torch.randint(0, items, (batch,))), ["users", "items"], ["score"]


class Attention(nn.Module):
    """Additive, with the keys of the whole source made once."""

    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.score = nn.Linear(width, width), nn.Linear(width, width, bias=False), nn.Linear(width, 1)

    def forward(self, h, keys, memory):
        weights = torch.softmax(self.score(torch.tanh(self.query(h).unsqueeze(1) + keys)).squeeze(-1), -1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1)


class Gnmt(nn.Module):
    """GNMT (arXiv 1609.08144): a bidirectional layer and residual ones; the decoder attends with its first layer's
    state and chooses each word greedily."""

    def __init__(self, words, width, steps):
        super().__init__()
        self.steps, self.width = steps, width
        self.embed, self.target = nn.Embedding(words, width), nn.Embedding(words, width)
        self.first = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.second, self.third = nn.LSTM(width, width, batch_first=True), nn.LSTM(width, width, batch_first=True)
        self.attention = Attention(width)
        self.cell0, self.cell1 = nn.LSTMCell(2 * width, width), nn.LSTMCell(2 * width, width)
        self.cell2 = nn.LSTMCell(2 * width, width)
        self.out = nn.Linear(width, words)

    def encode(self, ids):
        x, _ = self.first(self.embed(ids))
        x, _ = self.second(x)
        return x + self.third(x)[0]

    def forward(self, memory):
        batch = memory.size(0)
        zero = torch.zeros(batch, self.width)
        h0, c0, h1, c1, h2, c2, context = zero, zero, zero, zero, zero, zero, zero
        keys = self.attention.key(memory)
        word = torch.zeros(batch, dtype=torch.int64)
        scores = []
        for _ in range(self.steps):
            h0, c0 = self.cell0(torch.cat([self.target(word), context], -1), (h0, c0))
            context = self.attention(h0, keys, memory)
            h1, c1 = self.cell1(torch.cat([h0, context], -1), (h1, c1))
            h2, c2 = self.cell2(torch.cat([h1, context], -1), (h2, c2))
            logits = self.out(h1 + h2)
            word = logits.argmax(-1)
            scores.append(logits)
        return torch.stack(scores, 1)


class GnmtEncoder(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids):
        return self.net.encode(ids)


def gnmt_encoder(small):
    net, words, tokens = (Gnmt(40, 16, 3), 40, 6) if small else (Gnmt(8000, 512, 16), 8000, 24)
    return GnmtEncoder(net), (torch.randint(0, words, (1, tokens)),), ["ids"], ["memory"]


def gnmt_decoder(small):
    net, width, tokens = (Gnmt(40, 16, 6), 16, 6) if small else (Gnmt(8000, 512, 16), 512, 24)
    return net, (torch.randn(1, tokens, width),), ["memory"], ["scores"]


class First(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids):
        return self.net(input_ids=ids)[0]


class Step(nn.Module):
    """One token of a decoder behind the keys and values of those before it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids, *past):
        from transformers import DynamicCache
        cache = DynamicCache()
        for i in range(len(past) // 2):
            cache.update(past[2 * i], past[2 * i + 1], i)
        out = self.net(input_ids=ids, past_key_values=cache, use_cache=True)
        return out.last_hidden_state, *(x for layer in out.past_key_values.layers for x in (layer.keys, layer.values))


def t5_encoder(small):
    """T5-small 1.1: gated GELU, relative positions, norms by the root of squares. Golden: tests/golden/decoders."""
    if small:
        return None
    from transformers import T5Config, T5EncoderModel
    config = T5Config(d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_heads=6, feed_forward_proj="gated-gelu")
    return First(T5EncoderModel(config)), (torch.randint(2, 32000, (1, 128)),), ["ids"], ["hidden"]


def llama_step(small):
    """A token behind 255: eight layers 512 wide, eight heads of which two share keys and values. Golden as above."""
    if small:
        return None
    from transformers import LlamaConfig, LlamaModel
    layers, keys, width, past = 8, 4, 64, 255
    config = LlamaConfig(vocab_size=32000, hidden_size=512, intermediate_size=1376, num_hidden_layers=layers, num_attention_heads=8,
                         num_key_value_heads=keys, attn_implementation="sdpa")
    names = [f"{i}_{part}" for i in range(layers) for part in ("key", "value")]
    given = (torch.randint(2, 32000, (1, 1)), *(torch.randn(1, keys, past, width) for _ in names))
    return Step(LlamaModel(config)), given, ["ids"] + ["past_" + n for n in names], ["hidden"] + ["present_" + n for n in names]


NETWORKS = {f.__name__: f for f in (bert, roberta, ncf, gnmt_encoder, gnmt_decoder, t5_encoder, llama_step)}
