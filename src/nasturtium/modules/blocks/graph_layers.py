"""Layers on graphs: each makes new features of a node from its own and from those of the nodes linked to it.

They are written with torch alone, so that a network of them can be written as source and as ONNX; the layers
of torch-geometric (https://arxiv.org/abs/1903.02428) decide by shapes and values what runs, which neither
can follow. With the defaults used here both compute the same from the same weights, and the weights have the
same names, except that an `ARMA` layer lacks weights that torch-geometric has but never uses.

All take features N×F and `links`, 2×E of int64, from the first row's node to the second's, and give N×out.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GraphLayer = Callable[[int, int], nn.Module]
"""A factory `(in, out) → module`."""


def gathered(x_NF: Tensor, links: Tensor, weight_E1: Tensor | None = None) -> Tensor:
    """Per node the sum of what is linked to it, each times its link's weight."""
    sent = x_NF.index_select(0, links[0])
    sent = sent if weight_E1 is None else sent * weight_E1
    return torch.zeros_like(x_NF).index_add(0, links[1], sent)


def between_different(x_NF: Tensor, links: Tensor) -> Tensor:
    """1 for links between different nodes, 0 for those from a node to itself, E×1."""
    return (links[0] != links[1]).unsqueeze(1).type_as(x_NF)


def every_link(x_NF: Tensor, links: Tensor) -> Tensor:
    """1 for each link, E×1."""
    return torch.ones_like(links[0]).unsqueeze(1).type_as(x_NF)


def degrees(x_NF: Tensor, ends_E: Tensor, weight_E1: Tensor) -> Tensor:
    """Per node the sum of the weights of links that end (or start) there, N×1."""
    return torch.zeros_like(x_NF[:, :1]).index_add(0, ends_E, weight_E1)


def inverse_root(degrees_N1: Tensor) -> Tensor:
    """1/√d, and 0 for 0."""
    return degrees_N1.clamp(min=1e-12).rsqrt() * (degrees_N1 > 0).type_as(degrees_N1)


def normalised(x_NF: Tensor, links: Tensor, weight_E1: Tensor, degrees_N1: Tensor) -> Tensor:
    """Per node the sum of what is linked to it, by weights divided by the roots of both ends' degrees."""
    root = inverse_root(degrees_N1)
    return root * gathered(root * x_NF, links, weight_E1)


class GCN(nn.Module):
    """A normalised sum over a node and its neighbours.

    Kipf & Welling 2017, https://arxiv.org/abs/1609.02907.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.lin = glorot(nn.Linear(in_, out, bias=False))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        x = self.lin(x_NF)
        weight = between_different(x, links)
        degree = degrees(x, links[1], weight) + 1  # a node is linked to itself
        return normalised(x, links, weight, degree) + x / degree + self.bias


class GAT(nn.Module):
    """Attention to a node and its neighbours.

    Veličković et al. 2018, https://arxiv.org/abs/1710.10903.
    """

    def __init__(self, in_: int, out: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, out // heads
        self.lin = glorot(nn.Linear(in_, out, bias=False))
        self.att_src = nn.Parameter(torch.empty(1, heads, self.width))
        self.att_dst = nn.Parameter(torch.empty(1, heads, self.width))
        nn.init.xavier_uniform_(self.att_src)
        nn.init.xavier_uniform_(self.att_dst)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        x = self.lin(x_NF).unflatten(1, (self.heads, self.width))
        source, target = links[0], links[1]
        sends, receives = (x * self.att_src).sum(dim=-1), (x * self.att_dst).sum(dim=-1)
        own = F.leaky_relu(sends + receives, 0.2)  # a node's attention to itself
        scores = F.leaky_relu(sends.index_select(0, source) + receives.index_select(0, target), 0.2)
        where = target.unsqueeze(1).expand_as(scores)
        largest = own.scatter_reduce(0, where, scores, "amax").detach()
        own = (own - largest).exp()
        scores = (scores - largest.index_select(0, target)).exp() * between_different(own, links)
        total = own.index_add(0, target, scores)
        sent = x.index_select(0, source) * scores.unsqueeze(-1)
        summed = (x * own.unsqueeze(-1)).index_add(0, target, sent)
        return (summed / total.unsqueeze(-1)).flatten(1) + self.bias


class GIN(nn.Module):
    """A linear layer of a node plus its neighbours.

    Xu et al. 2019, https://arxiv.org/abs/1810.00826, with the node itself weighted by 1.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.nn = nn.Linear(in_, out)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        return self.nn(x_NF + gathered(x_NF, links))


class Cheb(nn.Module):
    """Chebyshev polynomials of the first two orders of the graph's Laplacian.

    Defferrard et al. 2016, https://arxiv.org/abs/1606.09375.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.lins = nn.ModuleList(glorot(nn.Linear(in_, out, bias=False)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        weight = between_different(x_NF, links)
        around = normalised(x_NF, links, weight, degrees(x_NF, links[0], weight))
        return self.lins[0](x_NF) + self.lins[1](-around) + self.bias


class SAGE(nn.Module):
    """A node and the mean of its neighbours.

    Hamilton et al. 2017, https://arxiv.org/abs/1706.02216.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.lin_l = nn.Linear(in_, out)
        self.lin_r = nn.Linear(in_, out, bias=False)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        number = degrees(x_NF, links[1], every_link(x_NF, links)).clamp(min=1)
        return self.lin_l(gathered(x_NF, links) / number) + self.lin_r(x_NF)


class ARMA(nn.Module):
    """One step of a recursive filter, then ReLU.

    Bianchi et al. 2021, https://arxiv.org/abs/1901.01343.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.init_weight = nn.Parameter(torch.empty(1, in_, out))
        self.root_weight = nn.Parameter(torch.empty(1, 1, in_, out))
        nn.init.xavier_uniform_(self.init_weight[0])
        nn.init.xavier_uniform_(self.root_weight[0, 0])
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, out))

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        weight = every_link(x_NF, links)
        x = x_NF @ self.init_weight[0]
        around = normalised(x, links, weight, degrees(x, links[1], weight))
        return F.relu(around + x_NF @ self.root_weight[0, 0] + self.bias[0, 0])


class Graph(nn.Module):
    """A node and the sum of its neighbours, as in k-GNNs.

    Morris et al. 2019, https://arxiv.org/abs/1810.02244.
    """

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.lin_rel = nn.Linear(in_, out)
        self.lin_root = nn.Linear(in_, out, bias=False)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        return self.lin_rel(gathered(x_NF, links)) + self.lin_root(x_NF)


class Alone(nn.Module):
    """A linear layer that looks at no neighbour."""

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_, out)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×F, 2×E → N×out."""
        return self.linear(x_NF)


def glorot(linear: nn.Linear) -> nn.Linear:
    """First weights as the authors of these layers draw them."""
    nn.init.xavier_uniform_(linear.weight)
    return linear
