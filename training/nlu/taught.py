"""What other networks say of the same batch, to be followed beside the labels (distillation, Hinton et al., arXiv 1503.02531): the mean of several
trainings' probabilities knows more than each, above all on text that has no labels."""
import torch
import torch.nn.functional as F

from .model import geometry_of
from .packed import load_weights


class Teachers:
    """Trained networks with the same labels and pieces, in evaluation; no gradient goes through them."""

    def __init__(self, paths, make, device):
        """make(geometry): a new network; paths: checkpoints of train or the packed weights of one."""
        self.nets = []
        for path in paths:
            weights = load_weights(path)
            net = make(geometry_of(weights)).to(device).eval()
            net.load_state_dict({k: v.float() for k, v in weights.items()})
            self.nets.append(net.requires_grad_(False))

    @torch.no_grad()
    def utterance(self, ids, keep, of_intents, of_slots):
        """Mean probabilities of intents [B, intents] and of slots [B, words, labels]. of_*: logits as the network gives them -> as they are learnt, f32."""
        told = [net.utterance(ids, keep)[:2] for net in self.nets]
        return mean_of([of_intents(x) for x, _ in told]), mean_of([of_slots(x) for _, x in told])

    @torch.no_grad()
    def question(self, ids, types, keep):
        """Mean probabilities of start and end, [B, T] each."""
        told = [net.question(ids, types, keep)[:2] for net in self.nets]
        return [mean_of(x) for x in zip(*told)]


def mean_of(logits):
    return torch.stack([F.softmax(x, -1) for x in logits]).mean(0)


def behind(log_p, p):
    """The divergence of each row of log-probabilities from probabilities p: [..., labels] -> [...]. What p rules out does not count (there log_p may be -inf)."""
    return torch.where(p > 0, p * (p.clamp_min(1e-30).log() - log_p), 0.0).sum(-1)


def disagreement(log_p):
    """Mean of both divergences of the first half of the rows from the second, row by row. log_p [2 B, ..., labels] -> [B, ...]."""
    a, b = log_p.chunk(2)
    return 0.5 * ((a.exp() - b.exp()) * (a - b)).sum(-1)
