"""Multi-head attention with elastic width and number of heads (Chen et al. 2021,
https://arxiv.org/abs/2107.00651).

Queries, keys and values come from a layer each, so that fewer heads are the first rows of each of the three;
the first rows of one joint layer would be queries only.
"""

import itertools
from collections.abc import Callable

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.attention import DotProduct
from nasturtium.modules.dims import Own, derived, dims_of, evaluate
from nasturtium.modules.elastic.base import ElasticLayer, chosen
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.space.architecture import Architecture


class ElasticHeads(ElasticLayer):
    """Splits the last dimension, `width`, into `heads` parts of one size.

    Raises `UsageError` naming both if some width can't be split into some number of heads.
    """

    def __init__(self, width: Own, heads: Own) -> None:
        super().__init__(width, heads)
        self.width, self.heads = width, heads
        dims = tuple(dict.fromkeys((*dims_of(width), *dims_of(heads))))
        for values in itertools.product(*(dim.options for dim in dims)):
            value = dict(zip(dims, values, strict=True)).__getitem__
            whole, parts = evaluate(width, value), evaluate(heads, value)
            if whole % parts:
                raise UsageError(
                    f"attention can't split a width of {whole}{_from(width)} into {parts}{_from(heads)} heads"
                    " of one size; choose numbers of heads that divide every width"
                )

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Unflatten` into the chosen number of heads."""
        heads = chosen(self.heads, arch)
        return nn.Unflatten(-1, (heads, chosen(self.width, arch) // heads))

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, heads, width / heads) at the gated sizes."""
        return x.unflatten(-1, (self.size(self.heads), -1))


def _from(size: Own) -> str:
    names = ", ".join(repr(dim.name) for dim in dims_of(size))
    return f" ({names})" if names else ""


class Attention(nn.Module):
    """Attention of a sequence to itself, whose `width` and `heads` may be decisions.

    Heads are `head_width` wide, or share the width of the sequence if that is None. `score` weighs the values
    (default: all of them, by dot products); `after(width)` makes what follows each of the three projections.
    """

    def __init__(
        self,
        width: Own,
        heads: Own,
        *,
        head_width: int | None = None,
        score: nn.Module | None = None,
        after: Callable[[Own], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        inside = width if head_width is None else derived(lambda n: n * head_width, heads)

        def projection() -> nn.Module:
            linear = ElasticLinear(width, inside)
            return linear if after is None else nn.Sequential(linear, after(inside))

        self.query, self.key, self.value = projection(), projection(), projection()
        self.heads = ElasticHeads(inside, heads)
        self.score = DotProduct() if score is None else score
        self.output = ElasticLinear(inside, width)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        q = self.heads(self.query(x_BLC)).transpose(1, 2)
        k = self.heads(self.key(x_BLC)).transpose(1, 2)
        v = self.heads(self.value(x_BLC)).transpose(1, 2)
        return self.output(self.score(q, k, v).transpose(1, 2).flatten(2))
