"""The deck's speech networks and recurrent nodes. `small`: the same structure in golden size."""
import io

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn


class DeepAsr(nn.Module):
    """Dense layers around LSTM layers over frames with their context, as DeepSpeech's."""

    def __init__(self, inputs, width, labels, layers):
        super().__init__()
        self.front = nn.ModuleList(nn.Linear(i, width) for i in (inputs, width, width))
        self.lstm = nn.LSTM(width, width, num_layers=layers, batch_first=True)
        self.after, self.out = nn.Linear(width, width), nn.Linear(width, labels)

    def forward(self, frames):
        x = frames
        for layer in self.front:
            x = torch.clamp(torch.relu(layer(x)), max=20)
        x, _ = self.lstm(x)
        return self.out(torch.relu(self.after(x))).log_softmax(-1)


def deep_asr(small):
    if small:
        return DeepAsr(12, 16, 8, 2), (torch.randn(1, 5, 12),), ["frames"], ["labels"]
    return DeepAsr(494, 1024, 29, 3), (torch.randn(1, 50, 494),), ["frames"], ["labels"]


def peephole_lstm(small):
    """One ONNX node: exporters do not make peepholes."""
    steps, inputs, hidden = (5, 6, 8) if small else (64, 512, 512)
    random = np.random.default_rng(7)
    real = lambda *dims: (random.standard_normal(dims) / np.sqrt(hidden)).astype(np.float32)
    x = random.standard_normal((steps, 1, inputs)).astype(np.float32)
    weights = {"w": real(1, 4 * hidden, inputs), "r": real(1, 4 * hidden, hidden), "b": real(1, 8 * hidden), "p": real(1, 3 * hidden)}
    node = helper.make_node("LSTM", ["x", "w", "r", "b", "", "", "", "p"], ["y", "y_h"], hidden_size=hidden)
    graph = helper.make_graph([node], "peephole_lstm", [helper.make_tensor_value_info("x", 1, x.shape)],
                              [helper.make_tensor_value_info("y", 1, [steps, 1, 1, hidden]),
                               helper.make_tensor_value_info("y_h", 1, [1, 1, hidden])],
                              [numpy_helper.from_array(value, key) for key, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), {"x": x}


class Autoencoder(nn.Module):
    """The last state of one LSTM, repeated, is what another must say the sequence from."""

    def __init__(self, inputs, hidden, code):
        super().__init__()
        self.encoder, self.squeeze = nn.LSTM(inputs, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, code)
        self.decoder, self.out = nn.LSTM(code, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, inputs)

    def forward(self, x):
        _, (h, _) = self.encoder(x)
        code = torch.tanh(self.squeeze(h[-1])).unsqueeze(1).expand(-1, x.size(1), -1)
        return self.out(self.decoder(code)[0])


def lstm_autoencoder(small):
    if small:
        return Autoencoder(5, 12, 6), (torch.randn(1, 6, 5),), ["x"], ["y"]
    return Autoencoder(32, 256, 64), (torch.randn(1, 100, 32),), ["x"], ["y"]


class WaveRnnFrames(nn.Module):
    """The conditioning of every sample, [samples, batch, width]."""

    def __init__(self, mels, width, hop):
        super().__init__()
        self.hop = hop
        self.cond = nn.Sequential(nn.Conv1d(mels, width, 5, padding=2), nn.ReLU(), nn.Conv1d(width, width, 1))

    def forward(self, mel):
        x = self.cond(mel).permute(2, 0, 1)
        frames, batch, width = x.shape
        return x.unsqueeze(1).expand(frames, self.hop, batch, width).reshape(frames * self.hop, batch, width)


class WaveRnnStep(nn.Module):
    """A GRU over samples: its frame's conditioning and the last sample in, the likeliest of the classes out."""

    def __init__(self, width, classes):
        super().__init__()
        self.classes, self.into, self.gru = classes, nn.Linear(width + 1, width), nn.GRUCell(width, width)
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, classes)

    def forward(self, h, sample, cond):
        h = self.gru(self.into(torch.cat([cond, sample], -1)), h)
        logits = self.out(torch.relu(self.hidden(h)))
        sample = logits.argmax(-1, keepdim=True).float() * (2.0 / (self.classes - 1)) - 1.0
        return h, sample, sample + 0.0


def exported(module, arguments, names, outputs):
    buffer = io.BytesIO()
    torch.onnx.export(module.eval(), arguments, buffer, input_names=names, output_names=outputs, opset_version=17, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())


def wavernn(small):
    """Frames, then a Scan over samples: exporters unroll the step."""
    mels, width, classes, hop, frames = (6, 16, 16, 4, 3) if small else (80, 512, 256, 64, 8)
    mel = torch.randn(1, mels, frames)
    start = torch.zeros(1, width), torch.zeros(1, 1)
    model = exported(WaveRnnFrames(mels, width, hop), (mel,), ["mel"], ["cond"])
    step = exported(WaveRnnStep(width, classes), (*start, torch.randn(1, width)), ["h", "sample", "frame"],
                    ["next_h", "next_sample", "said"])
    body = onnx.compose.add_prefix(step, "step/").graph
    graph = model.graph
    del graph.output[:]
    for name, value in zip(("h0", "sample0"), start):
        graph.initializer.append(numpy_helper.from_array(value.numpy(), name))
    graph.node.append(helper.make_node("Scan", ["h0", "sample0", "cond"], ["h", "sample", "samples"], body=body, num_scan_inputs=1))
    graph.output.append(helper.make_tensor_value_info("samples", 1, [frames * hop, 1, 1]))
    return model, {"mel": mel.numpy()}


class TacotronEncoder(nn.Module):
    def __init__(self, symbols, width):
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        block = lambda: nn.Sequential(nn.Conv1d(width, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU())
        self.convs = nn.Sequential(block(), block(), block())
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, ids):
        return self.lstm(self.convs(self.embed(ids).transpose(1, 2)).transpose(1, 2))[0]


def tacotron2_encoder(small):
    if small:
        return TacotronEncoder(20, 16), (torch.randint(0, 20, (1, 7)),), ["ids"], ["memory"]
    return TacotronEncoder(148, 512), (torch.randint(0, 148, (1, 64)),), ["ids"], ["memory"]


class TacotronDecoder(nn.Module):
    """NVIDIA's Tacotron 2 decoder (location-sensitive attention) over a fixed number of frames, without dropout."""

    def __init__(self, memory, rnn, pre, att, filters, taps, mels, frames):
        super().__init__()
        self.rnn, self.mels, self.frames = rnn, mels, frames
        self.pre1, self.pre2 = nn.Linear(mels, pre, bias=False), nn.Linear(pre, pre, bias=False)
        self.att_rnn, self.dec_rnn = nn.LSTMCell(pre + memory, rnn), nn.LSTMCell(rnn + memory, rnn)
        self.query, self.key = nn.Linear(rnn, att, bias=False), nn.Linear(memory, att, bias=False)
        self.loc_conv = nn.Conv1d(2, filters, taps, padding=taps // 2, bias=False)
        self.loc, self.score = nn.Linear(filters, att, bias=False), nn.Linear(att, 1, bias=False)
        self.mel, self.gate = nn.Linear(rnn + memory, mels), nn.Linear(rnn + memory, 1)

    def forward(self, memory):
        keys, batch = self.key(memory), memory.size(0)
        zero, prev = torch.zeros(batch, self.rnn), torch.zeros(batch, memory.size(1))
        h0, c0, h1, c1, context, total = zero, zero, zero, zero, torch.zeros(batch, memory.size(2)), prev
        frame, frames, gates = torch.zeros(batch, self.mels), [], []
        for _ in range(self.frames):
            x = torch.relu(self.pre2(torch.relu(self.pre1(frame))))
            h0, c0 = self.att_rnn(torch.cat([x, context], -1), (h0, c0))
            where = self.loc(self.loc_conv(torch.stack([prev, total], 1)).transpose(1, 2))
            prev = torch.softmax(self.score(torch.tanh(self.query(h0).unsqueeze(1) + where + keys)).squeeze(-1), -1)
            total = total + prev
            context = torch.bmm(prev.unsqueeze(1), memory).squeeze(1)
            h1, c1 = self.dec_rnn(torch.cat([h0, context], -1), (h1, c1))
            both = torch.cat([h1, context], -1)
            frame = self.mel(both)
            frames.append(frame)
            gates.append(self.gate(both))
        return torch.stack(frames, 1), torch.cat(gates, -1)


def tacotron2_decoder(small):
    if small:
        return TacotronDecoder(16, 16, 8, 8, 4, 5, 6, 6), (torch.randn(1, 6, 16),), ["memory"], ["mel", "gate"]
    return TacotronDecoder(512, 1024, 256, 128, 32, 31, 80, 16), (torch.randn(1, 64, 512),), ["memory"], ["mel", "gate"]


class PostNet(nn.Module):
    def __init__(self, mels, width):
        super().__init__()
        widths = [mels] + [width] * 4 + [mels]
        self.convs = nn.ModuleList(nn.Sequential(nn.Conv1d(i, o, 5, padding=2), nn.BatchNorm1d(o))
                                   for i, o in zip(widths, widths[1:]))

    def forward(self, mel):
        x = mel
        for i, conv in enumerate(self.convs):
            x = conv(x) if i == 4 else torch.tanh(conv(x))
        return mel + x


def tacotron2_postnet(small):
    if small:
        return PostNet(6, 12), (torch.randn(1, 6, 9),), ["mel"], ["refined"]
    return PostNet(80, 512), (torch.randn(1, 80, 200),), ["mel"], ["refined"]


class Wn(nn.Module):
    def __init__(self, half, mels, width, layers):
        super().__init__()
        self.width, self.start, self.end = width, nn.Conv1d(half, width, 1), nn.Conv1d(width, 2 * half, 1)
        self.cond = nn.Conv1d(mels, 2 * width * layers, 1)
        self.into = nn.ModuleList(nn.Conv1d(width, 2 * width, 3, dilation=2 ** i, padding=2 ** i) for i in range(layers))
        self.res = nn.ModuleList(nn.Conv1d(width, 2 * width if i < layers - 1 else width, 1) for i in range(layers))

    def forward(self, x, mel):
        x, cond, skip = self.start(x), self.cond(mel), None
        for i, (into, res) in enumerate(zip(self.into, self.res)):
            y = into(x) + cond[:, 2 * self.width * i:2 * self.width * (i + 1)]
            y = res(torch.tanh(y[:, :self.width]) * torch.sigmoid(y[:, self.width:]))
            if i < len(self.into) - 1:
                x, y = x + y[:, :self.width], y[:, self.width:]
            skip = y if skip is None else skip + y
        return self.end(skip)


class WaveGlow(nn.Module):
    """arXiv 1811.00002 from noise to audio; every few flows some channels come in."""

    def __init__(self, mels, group, flows, every, early, width, layers, window, hop):
        super().__init__()
        self.group, self.every, self.early = group, every, early
        self.upsample = nn.ConvTranspose1d(mels, mels, window, stride=hop)
        self.cut, channels = window - hop, group
        self.mix, self.wn = nn.ModuleList(), nn.ModuleList()
        for k in range(flows):
            if k % every == 0 and k > 0:
                channels -= early
            conv = nn.Conv1d(channels, channels, 1, bias=False)
            conv.weight.data = torch.linalg.qr(torch.randn(channels, channels))[0].unsqueeze(-1).contiguous()
            self.mix.append(conv)
            self.wn.append(Wn(channels // 2, mels * group, width, layers))
        self.channels = channels

    def forward(self, mel, noise):
        up = self.upsample(mel)[:, :, :-self.cut]
        mels, steps = mel.size(1), up.size(2) // self.group
        up = up.view(-1, mels, steps, self.group).permute(0, 1, 3, 2).reshape(-1, mels * self.group, steps)
        x, used = noise[:, :self.channels], self.channels
        for k in reversed(range(len(self.wn))):
            half = x.size(1) // 2
            a, b = x[:, :half], x[:, half:]
            out = self.wn[k](a, up)
            x = torch.cat([a, (b - out[:, :half]) * torch.exp(-out[:, half:])], 1)
            x = self.mix[k](x)
            if k % self.every == 0 and k > 0:
                x = torch.cat([noise[:, used:used + self.early], x], 1)
                used += self.early
        return x.transpose(1, 2).reshape(x.size(0), -1)


def waveglow(small):
    if small:
        net, mel, noise = WaveGlow(4, 4, 2, 1, 2, 8, 2, 8, 4), torch.randn(1, 4, 5), torch.randn(1, 4, 5)
    else:
        net = WaveGlow(80, 8, 12, 4, 2, 256, 8, 1024, 256)
        mel, noise = torch.randn(1, 80, 16), 0.6 * torch.randn(1, 8, 512)
    for wn in net.wn:
        wn.end.weight.data.mul_(0.1)
    return net, (mel, noise), ["mel", "noise"], ["audio"]


NETWORKS = {f.__name__: f for f in (deep_asr, peephole_lstm, lstm_autoencoder, wavernn, tacotron2_encoder, tacotron2_decoder,
                                    tacotron2_postnet, waveglow)}
