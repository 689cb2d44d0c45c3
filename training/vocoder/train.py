#!/usr/bin/env python3
"""Trains the slim WaveGlow in its generating direction (noise + mel -> audio) within a given time.

    python3 -m training.vocoder.train DATA OUT --minutes 12 [--resume OUT/vocoder.pt]

DATA: the prefix of the teacher's shards. First the multi-resolution spectral loss alone (share --warm of the time),
then judges and feature matching beside it. One cosine schedule by the clock covers all stays: a resumed run goes on
where the saved clock stands. On a GPU a whole step, optimiser included, is one CUDA graph; the coupling networks are
compiled. Each falls back by itself: without a compiler to plain kernels, without graphs to an eager loop.
"""
import argparse
import os
import re
import time

import torch
import torch.nn.functional as F

from training.common.log import to_file
from training.tts.flat_adam import FlatAdamW
from training.tts.pack import halved, load as load_pack, read
from training.tts.speech import HOP_SAMPLES, LogMel, RATE_HZ, cosine, load, set_precision, write_wav
from training.vocoder import losses, start
from training.vocoder.adapter import base_state, restore
from training.vocoder.discriminators import Discriminators
from training.vocoder.export import unpacked
from training.vocoder.model import SIGMA, SIGMA_BESIDE, gated_layer, harmonics, of
from training.vocoder.predicted import Predicted
from training.vocoder.rounding import mels_of, unpacked_voice

PAD = 2048  # samples around a segment, so that its mel frames are whole
GEOMETRY = dict(channels=256, layers=10, flows=6)
JUDGED_STEPS = 3000  # in which judges that begin with nothing gain their say over a network that speaks already
HEARING = 2  # last flows that hear the harmonics: one of them changes one half of a group's rows
MARGIN = 16  # frames generated beyond what the losses see; they fall before or after it at random


class Batches:
    """Random segments: mel [B, 80, T] of the frames and y [B, 256 T]; frame t is centred `lead` behind the first of its own 256 samples.

    predicted: Predicted of the same audio; `share` of the segments take its mel in place of the recording's."""

    def __init__(self, rows, audio, batch, frames, predicted=None, share=0.5, lead=HOP_SAMPLES // 2):
        device = audio.device
        self.predicted, self.share, self.lead = predicted, share, lead
        rows = predicted.rows if predicted else rows
        first = predicted.first.tolist() if predicted else [0] * len(rows)
        self.samples, self.frames, self.audio = frames * HOP_SAMPLES, frames, audio
        fit = [[r["start"], r["samples"], at] for r, at in zip(rows, first) if r["samples"] > self.samples + 2 * HOP_SAMPLES]
        if not fit:
            raise SystemExit(f"no utterance is longer than {frames} frames")
        self.spans = torch.tensor(fit, device=device)
        self.batch, self.mel = batch, LogMel().to(device)
        self.offsets = torch.arange(self.samples + 2 * PAD, device=device) - PAD

    def draw(self):
        device = self.audio.device
        pick = self.spans[torch.randint(len(self.spans), (self.batch,), device=device)]
        room = (pick[:, 1] - self.samples).float()
        into = (torch.rand(self.batch, device=device) * room).long()
        if self.predicted:
            theirs = torch.rand(self.batch, device=device) < self.share
            into = torch.where(theirs, into // HOP_SAMPLES * HOP_SAMPLES, into)
        start = pick[:, 0] + into
        index = (start[:, None] + self.offsets).clamp(0, len(self.audio) - 1)
        wide = self.audio[index].float() / 32768
        mel = self.mel(wide)[:, :, PAD // HOP_SAMPLES:PAD // HOP_SAMPLES + self.frames]
        if self.predicted:
            frame = (pick[:, 2] + into // HOP_SAMPLES)[:, None] + torch.arange(self.frames, device=device)
            mel = torch.where(theirs[:, None, None], self.predicted.mels[frame].float().transpose(1, 2), mel)
        at = PAD - self.lead
        return mel, wide[:, at:at + self.samples]


class Step:
    """One training step on static state: everything stays on the device."""

    def __init__(self, gen, dis, batches, dtype, crop, mean=0.999):
        self.gen, self.dis, self.batches, self.crop = gen, dis, batches, crop
        self.sigma = SIGMA_BESIDE if gen.pitch else SIGMA
        self.dtype = dtype or torch.float32
        device = batches.audio.device
        self.spectra = losses.Spectra().to(device)
        half = dtype == torch.float16
        self.gen_opt = FlatAdamW(gen, betas=(0.8, 0.98), decay=1e-3, clip=5.0, mean=mean, half=half)
        self.dis_opt = FlatAdamW(dis, betas=(0.8, 0.98), decay=1e-3, clip=10.0, half=half)
        self.columns = torch.arange(crop * HOP_SAMPLES, device=device)
        self.seen = torch.zeros(6, device=device)  # spectral, mel, level dB, judged, deceived, features

    def __call__(self, adversarial):
        mel, y = self.batches.draw()
        x = self.gen(mel, self.sigma, dtype=self.dtype)
        late = torch.randint(self.batches.frames - self.crop + 1, (len(x), 1), device=x.device) * HOP_SAMPLES
        x, y = x.gather(1, self.columns + late), y.gather(1, self.columns + late)
        fake, real = self.spectra(x), self.spectra(y)
        spectral = losses.spectral_distance(fake, real)
        to_mel = self.batches.mel.of_magnitude
        distance = (to_mel(fake[1024]) - to_mel(real[1024])).abs().mean()
        level = 10 * torch.log10((x.detach() ** 2).mean() / (y ** 2).mean().clamp_min(1e-9))
        seen = [spectral, distance, level]
        if adversarial:
            both = {n: torch.cat([real[n], fake[n].detach()]) for n in real}
            verdicts = self.dis(torch.cat([y, x.detach()]), both, self.dtype)
            B = len(x)
            halves = [[(s[p], [f[p] for f in fs]) for s, fs in verdicts] for p in (slice(0, B), slice(B, None))]
            judged = losses.judged(*halves)
            self.dis_opt.zero_grad()
            (judged * self.dis_opt.scale).backward()
            self.dis_opt.step()
            for p in self.dis_opt.parameters:
                p.requires_grad_(False)
            verdicts = self.dis(x, fake, self.dtype)
            for p in self.dis_opt.parameters:
                p.requires_grad_(True)
            deceived, features = losses.deceived(verdicts), losses.feature_distance(halves[0], verdicts)
            loss = 2.5 * spectral + 15 * distance + deceived + 2 * features
            seen += [judged, deceived, features]
        else:
            loss = spectral + 5 * distance
            seen += [torch.zeros_like(spectral)] * 3
        self.gen_opt.zero_grad()
        (loss * self.gen_opt.scale).backward()
        self.gen_opt.step()
        self.seen.copy_(torch.stack([s.detach() for s in seen]))


def captured(step, adversarial, log):
    """The step as one CUDA graph -> a function without arguments; an eager one where capture fails."""
    eager = lambda: step(adversarial)
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                eager()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            eager()
        graph.replay()
        torch.cuda.synchronize()
        log(dict(graph=True, adversarial=adversarial))
        return graph.replay
    except Exception as error:
        log(dict(graph=False, adversarial=adversarial, why=str(error)[:300]))
        return eager


def compiled(gen, batch, frames, dtype, device, log):
    """Replaces the gated layer by a compiled one where that works on this machine and gives the same numbers."""
    try:
        began, dtype = time.time(), dtype or torch.float32
        wn = gen.wn[0]
        layers, channels = wn.gate_w.shape[0], wn.gate_w.shape[2]
        shapes = [s.shape[1:] for s in (wn.depth, wn.gate_w, wn.gate_b, wn.res_w, wn.res_b)]
        draw = lambda *shape: (torch.randn(*shape, device=device) * 0.1).to(dtype)
        weights = [draw(*shape).requires_grad_() for shape in shapes]
        h = draw(batch, 4 * frames, channels).requires_grad_()
        cond = draw(batch, frames, layers, 2 * channels).requires_grad_().unbind(2)[1]
        layer, found = torch.compile(gated_layer, dynamic=False), []
        for f in (gated_layer, layer):
            y = f(h, cond, *weights)
            found.append([y.detach()] + list(torch.autograd.grad(y.float().square().mean(), [h, *weights])))
        gaps = [((a - b).float().norm() / a.float().norm()).item() for a, b in zip(*found)]
        if not max(gaps) < 0.05:
            raise RuntimeError(f"compiled layer differs by {gaps}")
        gen.use(layer)
        log(dict(compiled=True, gap=round(max(gaps), 5), took_s=round(time.time() - began, 1)))
    except Exception as error:
        gen.use(gated_layer)
        log(dict(compiled=False, why=str(error)[:300]))


@torch.no_grad()
def validate(gen, rows, audio, mel_of, sigma=0.0):
    """Of whole held-out utterances: mel distance (nats), level (dB) and, where harmonics join, how much of them is in the audio: 1 all, 0 the flows
    take them out."""
    distance, power, shared, trained = [], torch.zeros(2), torch.zeros(2), gen.wn[0].layer
    gen.use(gated_layer)  # lengths differ: nothing compiled
    for r in rows:
        y = audio[r["start"]:r["start"] + r["samples"] // HOP_SAMPLES * HOP_SAMPLES].float()[None] / 32768
        mel = mel_of(y)[:, :, :y.shape[1] // HOP_SAMPLES]
        x = gen(mel, sigma=sigma)
        at = HOP_SAMPLES // 2  # frame t is centred in its own samples
        a, b = mel_of(x[:, at:]), mel_of(y[:, :-at])
        distance.append((a - b).abs().mean().item())
        power += torch.tensor([(x ** 2).sum().item(), (y ** 2).sum().item()])
        if gen.pitch:
            h = harmonics(mel.transpose(1, 2), gen.pitch(mel.transpose(1, 2)))
            shared += torch.tensor([(x * h).sum().item(), (h * h).sum().item()])
    gen.use(trained)
    found = dict(held_mel=sum(distance) / len(distance), held_level_db=10 * torch.log10(power[0] / power[1]).item())
    found |= dict(held_harmonics=(shared[0] / shared[1]).item()) if gen.pitch else {}
    return {name: round(value, 4) for name, value in found.items()}


def small_name(path):
    return path[:-3] + "_small.pt"


def save(path, step, clock, config):
    """The whole training state, and a small one to travel: f16 weights without moments."""
    states = dict(gen=step.gen_opt.state(), dis=step.dis_opt.state())
    step.gen_opt.swap_mean()
    net = {k: v.detach().cpu().clone() for k, v in step.gen.state_dict().items()}
    step.gen_opt.swap_mean()
    small = dict(net=halved(net), dis=halved(step.dis.state_dict()), clock=clock, config=config)
    for name, saved in ((path, dict(net=net, states=states, clock=clock, config=config)), (small_name(path), small)):
        torch.save(saved, name + ".part")
        os.replace(name + ".part", name)


def resume(path, step, device):
    """Takes up a checkpoint, or the small one, whose optimisers begin anew -> seconds, steps, whether so."""
    saved = torch.load(path, map_location=device)
    if "states" in saved:
        step.gen_opt.load(saved["states"]["gen"]), step.dis_opt.load(saved["states"]["dis"])
    else:
        step.gen.load_state_dict(saved["net"]), step.dis.load_state_dict(saved["dis"])
        for opt in (step.gen_opt, step.dis_opt):
            opt.mean.copy_(opt.weights)
    return saved["clock"]["seconds"], saved["clock"]["steps"], "states" not in saved


def take(module, state, but):
    """Loads all of `state`; what it lacks must match `but`. Flows that hear more than they did begin deaf to it."""
    wanted = module.state_dict()
    wider = {k: F.pad(v, (0, wanted[k].shape[1] - v.shape[1])) for k, v in state.items() if k.endswith(".start_w") and k in wanted}
    lacking, unknown = module.load_state_dict(state | wider, strict=False)
    lacking = [name for name in lacking if not re.search(but, name)]
    if unknown or lacking:
        raise SystemExit(f"weights that do not fit: {unknown or lacking}; only what matches {but} may be absent")


def begin(path, gen, dis, adapted=False):
    """Weights of a pack, or network and judges of a checkpoint -> steps until both have their whole rate. adapted: gen is, what is there may be."""
    names, but = (base_state, r"^pitch\.|\.0\.(down|up)$") if adapted else (dict, r"^pitch\.")
    if not path.endswith(".pt"):
        take(gen, names(unpacked(read(path)[0])), but)
        return JUDGED_STEPS, 1
    saved = torch.load(path, map_location="cpu")
    take(gen, names(saved["net"]), but)
    dis.load_state_dict(saved["dis"])
    return 300, 300


def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("data"), ap.add_argument("out")
    ap.add_argument("--minutes", type=float, default=12, help="the whole schedule, over all stays")
    ap.add_argument("--elapsed", type=float, help="seconds of the schedule already used; default: the saved clock")
    ap.add_argument("--stop", type=float, default=1e9, help="stop after so many seconds now")
    ap.add_argument("--steps", type=int, default=10**9, help="stop after so many steps now")
    ap.add_argument("--warm", type=float, default=0.25, help="share of the schedule with the spectral loss alone")
    ap.add_argument("--step-s", type=float, default=0, help="let the clock count so many seconds a step: equal schedules at unequal speeds")
    ap.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--frames", type=int, default=32, help="frames that the losses see")
    ap.add_argument("--rate", type=float, default=1e-3, help="learning rate of the spectral phase")
    ap.add_argument("--adversarial-rate", type=float, default=4e-4)
    ap.add_argument("--amp", choices=["fp32", "tf32", "bf16", "fp16"], default="bf16")
    ap.add_argument("--no-graph", action="store_true"), ap.add_argument("--no-compile", action="store_true")
    ap.add_argument("--start", help="weights of a pack to begin with, where there is nothing to resume; the judges begin with nothing; or a checkpoint's network and judges")
    ap.add_argument("--start-voice", help="of --adapt: the file of this voice beside --start, to go on from, its pitch network instead of --pitch's")
    ap.add_argument("--pitch", help="pitch network of training.vocoder.pitch: harmonics of it join the audio")
    ap.add_argument("--voice", help="of DATA's speakers; else all")
    ap.add_argument("--adapt", action="store_true", help="of what --start gives the large matrices stay, see adapter.py: an adapter of --voice")
    ap.add_argument("--mean", type=float, default=0.999, help="what is kept of the mean of weights in a step")
    ap.add_argument("--resume"), ap.add_argument("--device", default="cuda"), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--held", type=int, default=24, help="utterances kept out, by hash of their id")
    ap.add_argument("--whisper", action="store_true", help="begin as noise shaped by the mel, see start.py")
    ap.add_argument("--predicted", help="checkpoint of training.tts.train, or a pack's weights; --predicted-share of the segments take the mels that it predicts")
    ap.add_argument("--predicted-share", type=float, default=0.5)
    ap.add_argument("--tiny", action="store_true", help="a small network, to try the recipe")
    for name, size in GEOMETRY.items():
        ap.add_argument(f"--{name}", type=int, default=size)
    a = ap.parse_args()
    if a.start_voice and not (a.adapt and a.voice and a.start and not a.start.endswith(".pt")):
        ap.error("--start-voice: wanted beside it --adapt, --voice and the pack's weights as --start")
    return a


def main():
    a = options()
    began = time.time()
    os.makedirs(a.out, exist_ok=True)
    log = to_file(os.path.join(a.out, "vocoder.jsonl"))
    torch.manual_seed(a.seed)
    torch.backends.cudnn.benchmark = True
    torch.set_flush_denormal(True)  # of judges' gradients on a CPU: many times as fast
    dtype = set_precision(a.amp, a.device)
    rows, audio = load(a.data, a.device)
    rows = [r for r in rows if a.voice in (None, r["speaker"])]
    held, rows = rows[:a.held], rows[a.held:]
    log(dict(vars(a), utterances=len(rows), hours=round(len(audio) / RATE_HZ / 3600, 2), load_s=round(time.time() - began, 1)))
    config = dict(channels=64, layers=3, flows=2) if a.tiny else {name: getattr(a, name) for name in GEOMETRY}
    pitch = torch.load(a.pitch, map_location="cpu") if a.pitch else None
    config |= dict(pitch=pitch["channels"], hearing=1 if a.tiny else HEARING) if pitch else {}
    config |= dict(adapted=True) if a.adapt else {}
    gen = of(config).to(a.device)
    if a.whisper and not a.resume:
        start.whisper(gen, rows, audio)
    dis = Discriminators(*(((4, 8, 8, 8), 4) if a.tiny else ())).to(a.device)
    clock, count, rise = 0.0, 0, (1, 1)  # steps to the whole rate, of the network and of its judges
    if a.start and not a.resume:
        rise = begin(a.start, gen, dis, a.adapt)
    if pitch:
        gen.pitch.load_state_dict(pitch["net"])
    if a.start_voice and not a.resume:
        restore(gen, unpacked_voice(load_pack(a.start_voice)[0], load_pack(a.start)[0], mels_of(rows, audio, a.voice)))
    predicted = Predicted(a.predicted, rows, audio) if a.predicted else None
    batches = Batches(rows, audio, a.batch, a.frames + (2 if a.tiny else MARGIN), predicted, a.predicted_share)
    step = Step(gen, dis, batches, dtype, a.frames, a.mean)
    if a.resume:
        clock, count, anew = resume(a.resume, step, a.device)
        rise = (300, 300) if anew else (1, 1)
        torch.manual_seed(a.seed + count)
    clock = clock if a.elapsed is None else a.elapsed
    on_gpu = a.device != "cpu"
    if not a.no_compile:
        compiled(gen, a.batch, batches.frames, dtype, a.device, log)
    fresh = step.gen_opt.state(), step.dis_opt.state()
    run = {}
    for kind in (False, True):  # before the clock starts: capture runs some steps, which are undone
        run[kind] = captured(step, kind, log) if on_gpu and not a.no_graph else (lambda kind=kind: step(kind))
    step.gen_opt.load(fresh[0]), step.dis_opt.load(fresh[1])
    path, total, began = os.path.join(a.out, "vocoder.pt"), a.minutes * 60, time.time()
    now, saved_at, first = clock, clock, count
    while True:
        now = clock + ((count - first) * a.step_s or time.time() - began)
        if now >= total or now - clock >= a.stop or count - first >= a.steps:
            break
        adversarial = now > a.warm * total
        ramp, ramp_of_judges = (min(1.0, (count - first + 1) / steps) for steps in rise)
        step.gen_opt.rate.fill_(ramp * cosine(now, total, a.adversarial_rate if adversarial else a.rate))
        step.dis_opt.rate.fill_(ramp_of_judges * cosine(now, total, a.adversarial_rate))
        run[adversarial]()
        count += 1
        if on_gpu and count % 20 == 0:
            torch.cuda.synchronize()  # the clock is the device's, not the queue's
        if count % 200 == 0 or count - first == 1:
            names = ("spectral", "mel", "level_db", "judged", "deceived", "features")
            values = {n: round(v, 4) for n, v in zip(names, step.seen.tolist())}
            log(dict(step=count, s=round(now, 1), norm=round(step.gen_opt.norm.item(), 2), **values))
        if now - saved_at > a.every:
            saved_at = now
            save(path, step, dict(seconds=now, steps=count), config)
            step.gen_opt.swap_mean()
            found = validate(gen, held[:8], audio, batches.mel)
            step.gen_opt.swap_mean()
            log(dict(step=count, s=round(now, 1)) | found)
    save(path, step, dict(seconds=now, steps=count), config)
    gen.use(gated_layer)
    step.gen_opt.swap_mean()
    for sigma in (0.0, step.sigma / 2, step.sigma):
        log(dict(end=True, step=count, sigma=sigma) | validate(gen, held, audio, batches.mel, sigma))
    for r in held:
        y = audio[r["start"]:r["start"] + r["samples"]].float()[None] / 32768
        with torch.no_grad():
            x = gen(batches.mel(y)[:, :, :r["samples"] // HOP_SAMPLES], sigma=0.0)
        write_wav(os.path.join(a.out, f"copy_{r['id']}.wav"), x[0].cpu())
        write_wav(os.path.join(a.out, f"real_{r['id']}.wav"), y[0].cpu())
    with open(os.path.join(a.out, "copies.tsv"), "w", encoding="utf-8") as f:
        f.writelines(f"{r['id']}\t{r['text']}\n" for r in held)


if __name__ == "__main__":
    main()
