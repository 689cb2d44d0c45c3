"""AdamW over one flat vector: a handful of kernels a step, no host reads, so that a CUDA graph can hold it.

Gradients are clipped by their norm; a step whose norm is not finite changes nothing. An exponential mean of the
weights is kept beside them. After "Decoupled Weight Decay Regularization" (arXiv 1711.05101).
"""
import torch

FIRST_SCALE, MOST_SCALE, GROWS = 2.0 ** 16, 2.0 ** 24, 1000  # of the loss in half precision; steps until it is doubled


class FlatAdamW:
    """Owns weights, gradients, both moments and the mean of `module` as vectors [n] f32; module keeps views.

    rate: [] f32, the learning rate, to be set from outside by rate.fill_(). norm: [] f32, the last gradient norm.
    scale: [] f32, what the caller multiplies the loss by. half: of a training in half precision; the scale begins high, is halved by
    every step whose norm is not finite and doubled after GROWS others (Micikevicius et al., arXiv 1710.03740). Otherwise it is 1.
    """

    def __init__(self, module, betas=(0.9, 0.98), decay=1e-4, clip=1.0, mean=0.999, half=False):
        self.module = module
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        device, count = self.parameters[0].device, sum(p.numel() for p in self.parameters)
        make = lambda *shape: torch.zeros(*shape, device=device)
        self.weights, self.grads, self.mean = make(count), make(count), make(count)
        self.first, self.second = make(count), make(count)
        self.steps, self.rate, self.norm = make(()), make(()), make(())
        self.betas, self.decay, self.clip, self.mean_decay, self.half = betas, decay, clip, mean, half
        self.scale, self.streak = make(()) + (FIRST_SCALE if half else 1.0), make(())
        at = 0
        with torch.no_grad():
            for p in self.parameters:
                part = slice(at, at + p.numel())
                self.weights[part] = p.detach().reshape(-1)
                p.data = self.weights[part].view_as(p)
                p.grad = self.grads[part].view_as(p)
                at += p.numel()
            self.mean.copy_(self.weights)

    def zero_grad(self):
        self.grads.zero_()

    @torch.no_grad()
    def step(self):
        b1, b2 = self.betas
        if self.half:
            self.grads.div_(self.scale)
        self.norm.copy_(self.grads.norm())
        good = torch.isfinite(self.norm)
        if self.half:
            self.rescale(good)
        self.grads.mul_((self.clip / self.norm.clamp_min(1e-9)).clamp_max(1.0))
        g = torch.where(good, self.grads, torch.zeros_like(self.grads))
        on = good.float()
        self.steps.add_(on)
        # a skipped step must leave the moments: blend with weight zero
        self.first.add_((g - self.first) * ((1 - b1) * on))
        self.second.add_((g * g - self.second) * ((1 - b2) * on))
        count = self.steps.clamp_min(1.0)
        rate = self.rate * on
        ahead = (self.second / (1 - b2 ** count)).sqrt_().add_(1e-8)
        self.weights.mul_(1 - rate * self.decay)
        self.weights.sub_(rate / (1 - b1 ** count) * self.first / ahead)
        # the mean starts short and lengthens
        keep = torch.minimum((1 + self.steps) / (10 + self.steps), self.steps.new_full((), self.mean_decay))
        self.mean.add_((self.weights - self.mean) * ((1 - keep) * on))

    def rescale(self, good):
        self.streak.add_(1).mul_(good)
        grown = self.streak >= GROWS
        self.scale.mul_(torch.where(good, 1.0 + grown.float(), 0.5)).clamp_(1.0, MOST_SCALE)
        self.streak.mul_(~grown)

    def names(self):
        return ("weights", "mean", "first", "second", "steps", *(("scale", "streak") if self.half else ()))

    def state(self):
        return {name: getattr(self, name).clone() for name in self.names()}

    @torch.no_grad()
    def load(self, state):
        """What state() gave, of a training in any arithmetic."""
        for name in self.names():
            if name in state:
                getattr(self, name).copy_(state[name])

    @torch.no_grad()
    def swap_mean(self):
        """Exchanges weights and mean; call it again to go back."""
        kept = self.weights.clone()
        self.weights.copy_(self.mean)
        self.mean.copy_(kept)
