"""Log-mel features and the streaming acoustic model: convolutions, LSTM layers, look-ahead, CTC log-probabilities.

One step of the network is 640 samples (40 ms) at 16 kHz; it tells `outputs` symbols one after the other, each of its own share of
the step. The only future that a step needs is LOOKAHEAD steps and the reach of its own features. LSTM: Hochreiter and Schmidhuber 1997; CTC: Graves et al. 2006; look-ahead convolution: Wang et al. 2016
(arXiv 1609.03193).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from ..common.lstm import run as lstm_run

RATE, WINDOW, HOP, FFT, MELS = 16000, 400, 160, 512, 80
STEP = 640  # samples a step
LOOKAHEAD = 4  # steps
SYMBOLS = 29  # blank, space, apostrophe, a-z


def mel_points(bins, low=20.0, high=7600.0):
    """Edges of `bins` triangles in Hz, equally spaced on the HTK mel scale: [bins + 2] f64."""
    mel = lambda hz: 2595.0 * torch.log10(1.0 + torch.as_tensor(hz, dtype=torch.float64) / 700.0)
    steps = torch.linspace(mel(low).item(), mel(high).item(), bins + 2, dtype=torch.float64)
    return 700.0 * (10.0 ** (steps / 2595.0) - 1.0)


def mel_filters(bins=MELS, fft=FFT, rate=RATE):
    """[bins, fft / 2 + 1] f32 triangles of height 1 over power spectra."""
    hz = torch.linspace(0.0, rate / 2, fft // 2 + 1, dtype=torch.float64)
    edge = mel_points(bins)
    rise = (hz[None] - edge[:-2, None]) / (edge[1:-1] - edge[:-2])[:, None]
    fall = (edge[2:, None] - hz[None]) / (edge[2:] - edge[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp_min(0.0).float()


class LogMel(nn.Module):
    """[B, n] f32 in [-1, 1], n a multiple of 640 -> [B, 80, n / 160]: log(power + 1e-6) / 4 + 1.5.

    200 zeros stand before the first and after the last sample. Frame t transforms 512 samples from 160 t - 200 on under
    a periodic Hann window of 400 in the middle of zeros, so that it hears samples 160 t - 144 to 160 t + 255.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, x):
        x = F.pad(x.float(), (200, 200))
        spec = torch.stft(x, FFT, HOP, WINDOW, self.window, center=False, return_complex=True)
        power = spec.real ** 2 + spec.imag ** 2
        return (self.filters @ power + 1e-6).log() / 4 + 1.5


class Acoustic(nn.Module):
    """mel [B, 80, T], T a multiple of 4 -> log-probabilities [B, outputs T / 4, 29] f32; symbol 0 is the blank.

    People say up to 25 letters a second, and CTC wants a blank between equal ones: one output a step of 40 ms leaves no slack.
    """

    def __init__(self, width=688, layers=4, front=256, drop=0.1, outputs=1):
        super().__init__()
        self.outputs, self.middle = outputs, layers // 2  # the layer that also learns by CTC
        self.conv1 = nn.Conv1d(MELS, front, 5, 2)
        self.conv2 = nn.Conv1d(front, width, 5, 2)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.lstms = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(layers))
        self.ahead = nn.Conv1d(width, width, LOOKAHEAD + 1, groups=width)
        self.out = nn.Linear(width, outputs * SYMBOLS)
        self.drop = drop
        for lstm in self.lstms:  # remember at first: forget gate's bias at 1 (Jozefowicz et al. 2015)
            with torch.no_grad():
                lstm.bias_hh_l0.zero_()
                lstm.bias_ih_l0.zero_()
                lstm.bias_ih_l0[width:2 * width].fill_(1.0)

    def front(self, mel):
        """mel [B, 80, T] -> [B, T / 4, width]; causal but for one frame a layer."""
        x = F.gelu(self.conv1(F.pad(mel, (3, 1))))
        return F.gelu(self.conv2(F.pad(x, (3, 1))).transpose(1, 2).contiguous())

    def layers(self, mel, steps=None, start=None):
        """What every LSTM layer gives, one after the other: [B, T / 4, width]. steps, start: listener.py's, of no matter here."""
        x = self.front(mel)
        for norm, lstm in zip(self.norms, self.lstms):
            x = x + F.dropout(lstm_run(lstm, norm(x))[0], self.drop, self.training)
            yield x

    def symbols(self, last):
        """Log-probabilities of the last layer's output."""
        a = self.ahead(F.pad(last.transpose(1, 2), (0, LOOKAHEAD))).transpose(1, 2)
        return self.log_probabilities(self.out(F.gelu(last + a)))

    def log_probabilities(self, scores):
        return scores.float().unflatten(-1, (self.outputs, SYMBOLS)).flatten(1, 2).log_softmax(-1)

    def forward(self, mel, steps=None):
        return self.symbols(list(self.layers(mel))[-1])


def output_steps(samples, outputs=1):
    """Rows of log-probabilities of an utterance of so many samples; outputs: of a step."""
    return (samples + STEP - 1) // STEP * outputs
