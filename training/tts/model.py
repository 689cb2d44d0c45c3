"""Tacotron 2 on phonemes (arXiv 1712.05884) with a duration head, trained along known alignments.

Because every phoneme's duration is known, the contexts are known before the decoder runs: in training both decoder
LSTMs run over whole utterances, and the attention learns all steps at once. Synthesis runs the published loop, or
the alignment of the predicted durations (as Non-Attentive Tacotron, arXiv 2010.04301, but with this decoder).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from training.common.lstm import run as lstm_run

MEL_BINS = 80
WIDTH = 0.5  # of the known alignment's Gaussian, in symbols
BACK, AHEAD = 1, 4  # symbols around the last peak that the attention may see in synthesis
STALL_FACTOR, STALL_FRAMES = 3.0, 15.0  # a symbol held for longer than factor x predicted + frames is left


SHAPE = dict(enc=256, rnn=512, pre=128, att=128, loc=32, post=256)  # usual widths; a checkpoint carries its own


def alignment(position, lengths, count, width=WIDTH):
    """position [B, T] in symbols (2.5: the middle of symbol 2), lengths [B] -> Gaussian weights [B, T, count]."""
    n = torch.arange(count, device=position.device)
    w = torch.exp(-0.5 * ((n + 0.5 - position[..., None]) / width) ** 2) + 1e-9
    w = w * (n < lengths[:, None])[:, None]
    return w / w.sum(-1, keepdim=True)


def shifted(x):
    """[B, T, C] -> the same one step later, zeros first."""
    return F.pad(x, (0, 0, 1, 0))[:, :-1]


class Tacotron2(nn.Module):
    """speakers: voices of one network; each adds a row of its own to the symbols' embeddings and to what the encoder gives."""

    def __init__(self, symbols, enc=256, rnn=512, pre=128, att=128, loc=32, post=256, speakers=1):
        super().__init__()
        self.embed = nn.Embedding(symbols + 1, enc, padding_idx=0)
        self.speakers = nn.ModuleList(nn.Embedding(speakers, enc) for _ in range(2 * (speakers > 1)))
        for table in self.speakers:
            nn.init.zeros_(table.weight)
        self.convs = nn.ModuleList(nn.Conv1d(enc, enc, 5, padding=2) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(enc) for _ in range(3))
        self.encoder = nn.LSTM(enc, enc // 2, batch_first=True, bidirectional=True)
        self.duration_conv, self.duration_out = nn.Conv1d(enc, 128, 3, padding=1), nn.Linear(128, 1)
        self.pre = nn.ModuleList([nn.Linear(MEL_BINS, pre, bias=False), nn.Linear(pre, pre, bias=False)])
        self.att_rnn = nn.LSTM(pre + enc, rnn, batch_first=True)
        self.dec_rnn = nn.LSTM(rnn + enc, rnn, batch_first=True)
        self.query, self.key = nn.Linear(rnn, att, bias=False), nn.Linear(enc, att, bias=False)
        self.loc_conv = nn.Conv1d(2, loc, 31, padding=15, bias=False)
        self.loc, self.score = nn.Linear(loc, att, bias=False), nn.Linear(att, 1, bias=False)
        self.mel, self.stop = nn.Linear(rnn + enc, MEL_BINS), nn.Linear(rnn + enc, 1)
        widths = [MEL_BINS] + [post] * 4 + [MEL_BINS]
        self.post = nn.ModuleList(nn.Conv1d(a, b, 5, padding=2) for a, b in zip(widths, widths[1:]))
        self.post_norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths[1:])

    def encode(self, ids, lengths, speaker=None):
        """ids [B, N] (0: padding), lengths [B] on the host, speaker [B] (None: the first) -> [B, N, enc], zero beyond the lengths."""
        on = (ids > 0)[:, None]
        x = self.embed(ids)
        own = [table(torch.zeros_like(ids[:, :1]) if speaker is None else speaker[:, None]) * on.transpose(1, 2) for table in self.speakers]
        x = (x + own[0] if own else x).transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms):
            x = F.dropout(F.relu(norm(conv(x))), 0.2, self.training) * on
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(1, 2), lengths, batch_first=True, enforce_sorted=False)
        y = lstm_run(self.encoder, packed)[0]
        y = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=ids.shape[1])[0]
        return y + own[1].to(y.dtype) if own else y

    def durations(self, enc):
        """enc [B, N, enc] -> natural log of the frames of every symbol [B, N]."""
        return self.duration_out(F.relu(self.duration_conv(enc.transpose(1, 2))).transpose(1, 2)).squeeze(-1)

    def prenet(self, x, masks=None):
        """x [B, T, 80]; masks: two of [B, T, 128] holding 0 or 2 (dropout of one half), or None for no dropout."""
        for i, layer in enumerate(self.pre):
            x = F.relu(layer(x))
            if masks is not None:
                x = x * masks[i]
        return x

    def energies(self, h, key, prev, cum):
        """h [B, T, rnn], key [B, N, att], prev and cum [B, T, N] -> [B, T, N]."""
        taps = self.loc_conv.kernel_size[0]
        both = F.pad(torch.stack([prev, cum], 2), (taps // 2, taps // 2))
        weight = self.loc.weight @ self.loc_conv.weight.flatten(1)  # the convolution and the layer after it are one
        around = both.unfold(-1, taps, 1).transpose(2, 3).flatten(3)
        e = self.query(h)[:, :, None] + key[:, None] + F.linear(around.to(h.dtype), weight)
        return self.score(torch.tanh(e)).squeeze(-1).float()

    def decode(self, enc, key, frames, contexts, prev, cum, allowed, known=None, own=None, masks=None):
        """All steps at once. frames [B, T, 80] and contexts [B, T, enc] are those of the step before; allowed
        [B, T, N] marks the symbols the attention may choose; own [B, 1, 1] in {0, 1} says which utterances feed the
        second LSTM with their own alignment; allowed None: all follow the known one and the attention stays out.
        -> mel, stop logits, log alignment or None."""
        h = lstm_run(self.att_rnn, torch.cat([self.prenet(frames, masks), contexts], -1))[0]
        h = F.dropout(h, 0.1, self.training)
        w, log_w = known, None
        if allowed is not None:
            log_w = self.energies(h, key, prev, cum).masked_fill(~allowed, -1e4).log_softmax(-1)
            w = own * log_w.exp() + (1 - own) * known
        context = w @ enc.float()
        d = lstm_run(self.dec_rnn, torch.cat([h, context.to(h.dtype)], -1))[0]
        d = torch.cat([F.dropout(d, 0.1, self.training), context.to(d.dtype)], -1)
        return self.mel(d).float(), self.stop(d).squeeze(-1).float(), log_w

    def postnet(self, mel, on=None):
        """mel [B, T, 80] -> the same with the residual added; on [B, T, 1] zeroes what lies beyond the end."""
        on = torch.ones_like(mel[..., :1]) if on is None else on.to(mel.dtype)
        x, on = (mel * on).transpose(1, 2), on.transpose(1, 2)
        for i, (conv, norm) in enumerate(zip(self.post, self.post_norms)):
            x = norm(conv(x))
            if i < len(self.post) - 1:
                x = F.dropout(torch.tanh(x), 0.2, self.training) * on
        return mel + x.transpose(1, 2).float()

    @torch.no_grad()
    def synthesise(self, ids, lengths, dropout=False, by_durations=False, limit=1500, masks=None, steps=None, speaker=None):
        """ids [B, N], speaker [B] -> mel [B, T, 80] after and before the post-net, frames of each, alignments, ended or not.

        dropout: draw prenet masks; masks: take these ([T] of two [B, 1, 128]). steps: exactly so many frames.
        """
        B, N = ids.shape
        enc = self.encode(ids, lengths, speaker)
        key, device, n = self.key(enc), ids.device, torch.arange(N, device=ids.device)[None]
        count = lengths.to(device)
        log_frames = self.durations(enc)
        expected = log_frames.exp() * (n < count[:, None])
        if by_durations:
            edges = F.pad(expected.cumsum(1), (1, 0))
            total = edges[:, -1].round().long().clamp(1, limit)
            known = planned(edges, count, int(total.max()), N)
        pos, held = torch.zeros(B, 1, dtype=torch.long, device=device), torch.zeros(B, 1, device=device)
        x, ctx = torch.zeros(B, 1, MEL_BINS, device=device), torch.zeros(B, 1, enc.shape[2], device=device)
        prev, cum = torch.zeros(B, 1, N, device=device), torch.zeros(B, 1, N, device=device)
        sa = sd = None
        frames, aligns, done = [], [], torch.zeros(B, dtype=torch.bool, device=device)
        length = torch.full((B,), limit, device=device)
        for t in range(steps or limit):
            m = masks[t] if masks is not None else drop_masks((B, 1), 1.0, device, self.pre[0].out_features) if dropout else None
            h, sa = self.att_rnn(torch.cat([self.prenet(x, m), ctx], -1), sa)
            if by_durations:
                w = known[:, min(t, known.shape[1] - 1)]
            else:
                stalled = held > STALL_FACTOR * expected.gather(1, pos) + STALL_FRAMES
                low = torch.where(stalled, pos + 1, pos - BACK).clamp(max=count[:, None] - 1)
                e = self.energies(h, key, prev, cum)[:, 0]
                e = e.masked_fill((n < low) | (n > pos + AHEAD) | (n >= count[:, None]), -1e4)
                w = e.softmax(-1)
            new = w.argmax(-1, keepdim=True)
            held = torch.where(new == pos, held + 1, torch.ones_like(held))
            pos, prev = new, w[:, None]
            cum, ctx = cum + prev, prev @ enc
            d, sd = self.dec_rnn(torch.cat([h, ctx], -1), sd)
            d = torch.cat([d, ctx], -1)
            x = self.mel(d)
            frames.append(x), aligns.append(w)
            if steps:
                continue
            if by_durations:
                stop = (t + 1 >= total) & ~done
            else:
                at_end = pos[:, 0] >= count - 2
                over = (pos[:, 0] == count - 1) & (held > STALL_FACTOR * expected.gather(1, pos) + STALL_FRAMES)[:, 0]
                stop = (((torch.sigmoid(self.stop(d)).view(-1) > 0.5) & at_end) | over) & ~done
            length[stop] = t + 1
            done |= stop
            if done.all():
                break
        before = torch.cat(frames, 1)
        length = length.clamp_max(before.shape[1])
        on = torch.arange(before.shape[1], device=device)[None, :, None] < length[:, None, None]
        return self.postnet(before, on), before, length, torch.stack(aligns, 1), done


def planned(edges, lengths, frames, count):
    """edges [B, N + 1] in frames -> the Gaussian alignment [B, frames, count] along these durations."""
    t = torch.arange(frames, device=edges.device).float()[None].expand(len(edges), -1).contiguous()
    i = (torch.searchsorted(edges.contiguous(), t, right=True) - 1).clamp(0, count - 1)
    i = torch.minimum(i, lengths[:, None] - 1)
    left, right = edges.gather(1, i), edges.gather(1, i + 1)
    return alignment(i + ((t - left) / (right - left).clamp_min(1e-3)).clamp(0, 1), lengths, count)


def drop_masks(shape, share, device, pre):
    """Two prenet masks [B, T, pre] of 0 and 2; in a share of the utterances, ones in the others."""
    on = torch.rand(shape[0], 1, 1, device=device) < share
    draw = lambda: torch.where(on, (torch.rand(*shape, pre, device=device) < 0.5).float() * 2, torch.ones((), device=device))
    return draw(), draw()
