"""Networks for tables: a stack of blocks on rows of numbers, each plain, residual or gated.

The plain and the residual block, and the ranges of depth, width, hidden factor and dropouts, are those of
Gorishniy et al. 2021 (https://arxiv.org/abs/2106.11959), where all blocks of a network are of one kind; here
every block has its own kind and hidden width. The gated block is a residual one with a gated linear unit
(Shazeer 2020, https://arxiv.org/abs/2002.05202). Auto-PyTorch Tabular (Zimmer et al. 2021,
https://arxiv.org/abs/2006.13799) searches the plain and the residual one, too, with widths that may shrink
from block to block, which these don't.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from nasturtium.modules.activations import ACTIVATIONS
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, Size, derived
from nasturtium.modules.elastic.layer_norm import ElasticLayerNorm
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm1d
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.shortcut import Residual
from nasturtium.space.decision import Option
from nasturtium.spaces.base import space

FUNCTIONS = ("relu", "silu", "gelu", "tanh")
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FACTORS = (1, 2, 3, 4)


def activation() -> nn.Module:
    """The function that the whole network uses."""
    return OneOf("network/activation", {name: ACTIVATIONS[name] for name in FUNCTIONS})


def norm(width: Dim) -> nn.Module:
    """The normalisation that the whole network uses."""
    return OneOf(
        "network/norm",
        {
            "batch": partial(ElasticBatchNorm1d, width),
            "layer": partial(ElasticLayerNorm, width),
            "none": nn.Identity,
        },
    )


def dropout(where: str) -> nn.Module:
    """One of the rates; `where` is "hidden" or "residual", for all blocks alike."""
    candidates: dict[str | int | float, Callable[[], nn.Module]] = {
        p: partial(nn.Dropout, p) for p in DROPOUTS
    }
    return OneOf(f"network/{where} dropout", candidates, ordered=True)


def plain(name: str, width: Dim) -> nn.Sequential:
    """Normalisation, linear layer, activation, dropout."""
    return nn.Sequential(norm(width), ElasticLinear(width, width), activation(), dropout("hidden"))


class Gated(nn.Module):
    """Activated hidden units, multiplied by others."""

    def __init__(self, width: Size, hidden: Size) -> None:
        super().__init__()
        self.enter = ElasticLinear(width, hidden)
        self.activation = activation()
        self.gate = ElasticLinear(width, hidden)

    def forward(self, x_BW: Tensor) -> Tensor:
        """B×width → B×hidden."""
        return self.activation(self.enter(x_BW)) * self.gate(x_BW)


def residual(name: str, width: Dim, *, gated: bool) -> Residual:
    """Two linear layers with more hidden units between them, added to the input."""
    factor = Dim(f"{name}/hidden factor", FACTORS)
    hidden = derived(lambda units, times: units * times, width, factor, hidden=True)
    enter = Gated(width, hidden) if gated else nn.Sequential(ElasticLinear(width, hidden), activation())
    return Residual(
        nn.Sequential(
            norm(width), enter, dropout("hidden"), ElasticLinear(hidden, width), dropout("residual")
        )
    )


BLOCKS: dict[Option, Callable[[str, Dim], nn.Module]] = {
    "plain": plain,
    "residual": partial(residual, gated=False),
    "gated": partial(residual, gated=True),
}


@space(
    "tabular-mlp",
    summary="1 to 8 plain, residual or gated blocks for rows of numbers",
    paper="https://arxiv.org/abs/2106.11959",
    takes="table",
    shape=(54,),
    classes=7,
    small_shape=(6,),
    small={"width": 16, "depth": 3},
)
def tabular_mlp(input_shape: tuple[int], classes: int, *, width: int = 512, depth: int = 8) -> Blueprint:
    """Rows of `input_shape` numbers, in the published example the 54 columns of Covertype.

    `width` and `depth` are the largest ones; widths are its eighths.
    """
    units = Dim("network/width", tuple(sorted({max(1, width * i // 8) for i in range(1, 9)})))

    def block(i: int) -> nn.Module:
        name = f"block{i + 1}"
        return OneOf(f"{name}/kind", {kind: partial(make, name, units) for kind, make in BLOCKS.items()})

    def make() -> nn.Module:
        return nn.Sequential(
            ElasticLinear(input_shape[0], units),
            Repeat("network/depth", block, range(1, depth + 1)),
            norm(units),
            activation(),
            ElasticLinear(units, classes),
        )

    return Blueprint(make)
