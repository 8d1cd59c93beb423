"""Architectures as points of a space with gradients (Luo et al. 2018, https://arxiv.org/abs/1808.07233).

An encoder makes a point of an architecture, a predictor says what a point is worth, and a decoder makes an
architecture of a point again. Where we differ: as every decision has a name and a place, encoder and decoder
are plain networks of the one-hot encoding and not recurrent ones of a text.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import refuse_endless


class Autoencoder(nn.Module):
    """Encoder, predictor and decoder for architectures of `space`, with weights drawn from `seed`.

    Raises `UsageError` for a space without a list of decisions.
    """

    def __init__(self, space: SearchSpace, *, seed: int, hidden: int = 64, latent: int = 32) -> None:
        super().__init__()
        refuse_endless("an autoencoder", space)
        self._space = space
        self._sizes = [len(decision.options) for decision in space.decisions.values()]
        self._picks = torch.tensor([d.k for d in space.decisions.values() for _ in d.options])
        width = sum(self._sizes)
        self.encoder = _network(width, hidden, latent)
        self.predictor = _network(latent, hidden, 1)
        self.decoder = _network(latent, hidden, width)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            fan_in = parameter.shape[-1]
            nn.init.uniform_(parameter, -1 / fan_in**0.5, 1 / fan_in**0.5, generator=generator)

    def rows(self, archs: Sequence[Architecture]) -> Tensor:
        """What is encoded of architectures: n × options of all decisions, zero where one is switched off."""
        return torch.from_numpy(self._space.encode(archs, "onehot"))

    def points(self, rows: Tensor) -> Tensor:
        """n × latent."""
        points: Tensor = self.encoder(rows)
        return points

    def worth(self, points: Tensor) -> Tensor:
        """The predicted worth of n points, more is better."""
        worth: Tensor = self.predictor(points)[:, 0]
        return worth

    def loss(self, rows: Tensor, worth: Tensor, *, trade: float) -> Tensor:
        """`trade` times the squared error of the predicted worth, the rest of the mean over architectures of
        −log of the probability that the decoder gives to them, per decision that they make; a scalar.

        Of k-of-n decisions the probability is the mean over their members.
        """
        points = self.points(rows)
        log_p = [F.log_softmax(block, dim=1) for block in self.decoder(points).split(self._sizes, dim=1)]
        shares = rows / self._picks
        rebuilt = (shares * torch.cat(log_p, dim=1)).sum() / shares.sum()
        return trade * F.mse_loss(self.worth(points), worth) - (1 - trade) * rebuilt

    def uphill(self, points: Tensor) -> Tensor:
        """The direction in which each of n points becomes worth more: n × latent, of length one."""
        points = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.worth(points).sum(), points)
        return F.normalize(gradient, dim=1)

    def decoded(self, points: Tensor) -> list[dict[str, Value]]:
        """For each of n points the likeliest value of every decision, whether it is active or not."""
        with torch.no_grad():
            blocks = [block.numpy() for block in self.decoder(points).split(self._sizes, dim=1)]
        wishes: list[dict[str, Value]] = [{} for _ in points]
        for decision, block in zip(self._space.decisions.values(), blocks, strict=True):
            best = np.argsort(-block, axis=1, kind="stable")[:, : decision.k]
            for wish, chosen in zip(wishes, np.sort(best, axis=1).tolist(), strict=True):
                options = tuple(decision.options[i] for i in chosen)
                wish[decision.name] = options if decision.many else options[0]
        return wishes


class LatentSearch:
    """An autoencoder that is trained on what is known, with Adam, and looks for better points."""

    def __init__(self, space: SearchSpace, *, seed: int, learning_rate: float, trade: float) -> None:
        self.net = Autoencoder(space, seed=seed)
        self._trade = trade
        self._adam = torch.optim.Adam(self.net.parameters(), learning_rate)

    def learn(self, archs: Sequence[Architecture], worth: np.ndarray, *, steps: int) -> None:
        """`steps` steps on all architectures and what they are worth."""
        rows, values = self.net.rows(archs), torch.from_numpy(worth).float()
        for _ in range(steps):
            self._adam.zero_grad()
            self.net.loss(rows, values, trade=self._trade).backward()
            self._adam.step()

    def improved(self, archs: Sequence[Architecture], lengths: Sequence[float]) -> list[Mapping[str, Value]]:
        """What is decoded at the ends of steps uphill from each of `archs`: first those of the first length.

        Lengths are in units of the root mean square distance of the points of `archs` from their mean.
        """
        with torch.no_grad():
            points = self.net.points(self.net.rows(archs))
        unit = (points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt()
        steps = unit * self.net.uphill(points)
        return [wish for length in lengths for wish in self.net.decoded(points + length * steps)]


def _network(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(skip_init(nn.Linear, width, hidden), nn.SiLU(), skip_init(nn.Linear, hidden, out))
