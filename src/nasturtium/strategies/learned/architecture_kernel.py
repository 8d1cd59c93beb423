"""How alike two architectures are, by what they decide and by the graphs of their cells."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace

TINY = 1e-12  # so that the root of no distance has a gradient
DRAWN = 200  # random architectures that tell how much each feature of the graphs varies


class ArchitectureKernel:
    """The covariance of the values of architectures a and b:

    v · exp(−Σ_d h_d(a, b) / ℓ_d) + u · M(‖g(a) − g(b)‖ / λ).

    h_d is the Hamming distance in decision d by its one-hot encoding: 1 where the options differ, of k-of-n
    the share of members that do, ½ where only one of the two has the decision switched on. As in any
    categorical kernel (see Ru et al. 2020, https://arxiv.org/abs/1906.08878) each decision has a length scale
    ℓ_d. g are the graph features of the cells (see `graph_features`), each in units of its standard deviation
    over random architectures, and divided by the root of their number; M is the Matérn function with ν = 5/2.
    A space without cells has only the first term. The sum lets cells that compute the same be alike which
    decide everything differently, which a product would not, while the first term still tells any two
    architectures apart.

    Parameters are one vector of logarithms: of ℓ per decision, v, the variance of the noise, and with cells
    λ and u. `prior` is where they are expected, `spread` by how much they may be off (a standard deviation).
    With more decisions two random architectures differ in more, so that longer scales are expected, as in
    Hvarfner et al. 2024 (https://arxiv.org/abs/2402.02229).
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        decisions = list(space.decisions.values())
        owner = [i for i, decision in enumerate(decisions) for _ in decision.options]
        self._owner = torch.tensor(owner)  # the decision of each position of the one-hot encoding
        self._share = torch.tensor([0.5 / decisions[i].k for i in owner], dtype=torch.double)
        self._decisions = len(decisions)
        self._cells = bool(space.layout.cells)
        open_ = max(sum(decision.count() > 1 for decision in decisions), 1)
        means = [np.log(open_)] * len(decisions) + [np.log(0.5), np.log(0.01)]
        spreads = [1.0] * len(decisions) + [1.0, 1.5]
        if self._cells:
            means, spreads = [*means, 0.0, np.log(0.5)], [*spreads, 1.0, 1.0]
            drawn = space.encode([space.sample(rng) for _ in range(DRAWN)], "graph-features")
            deviation = drawn.std(axis=0, dtype=float)
            self._vary = deviation > 0
            self._unit = deviation[self._vary] * self._vary.sum() ** 0.5
        self.prior = np.array(means)
        self.spread = np.array(spreads)

    def rows(self, archs: Sequence[Architecture]) -> Tensor:
        """What the kernel sees of architectures, n × columns."""
        blocks = [self._space.encode(archs, "onehot").astype(float)]
        if self._cells:
            blocks.append(self._space.encode(archs, "graph-features")[:, self._vary] / self._unit)
        return torch.from_numpy(np.concatenate(blocks, axis=1))

    def __call__(self, a: Tensor, b: Tensor, parameters: Tensor) -> Tensor:
        """The covariances of … × n and … × m rows, … × n × m."""
        lengths, (scale, _, *rest) = parameters[: self._decisions].exp(), parameters[self._decisions :]
        columns, weights = len(self._owner), (self._share / lengths[self._owner]).sqrt()
        apart = squared_distance(a[..., :columns] * weights, b[..., :columns] * weights)
        same: Tensor = (scale - apart).exp()
        if rest:
            length, height = rest
            apart = squared_distance(a[..., columns:], b[..., columns:]) / (2 * length).exp()
            r = (5 * apart + TINY).sqrt()
            same = same + (1 + r + r * r / 3) * (height - r).exp()
        return same

    def noise(self, parameters: Tensor) -> Tensor:
        """The variance of the noise, a scalar."""
        return parameters[self._decisions + 1].exp()


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Of … × n × columns and … × m × columns, the squared Euclidean distances, … × n × m."""
    squares = (a * a).sum(-1)[..., :, None] + (b * b).sum(-1)[..., None, :]
    return (squares - 2 * a @ b.transpose(-1, -2)).clamp(min=0)
