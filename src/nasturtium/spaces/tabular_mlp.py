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
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.layer_norm import ElasticLayerNorm
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm1d
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
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


class Plain(nn.Sequential):
    """Normalisation, linear layer, activation, dropout."""

    def __init__(self, name: str, width: Dim) -> None:
        super().__init__(norm(width), ElasticLinear(width, width), activation(), dropout("hidden"))


class Residual(nn.Module):
    """Two linear layers with more hidden units between them, added to the input."""

    def __init__(self, name: str, width: Dim) -> None:
        super().__init__()
        factor = Dim(f"{name}/hidden factor", FACTORS)
        hidden = derived(lambda units, times: units * times, width, factor)
        self.norm = norm(width)
        self.enter = ElasticLinear(width, hidden)
        self.activation = activation()
        self.hidden_dropout = dropout("hidden")
        self.leave = ElasticLinear(hidden, width)
        self.dropout = dropout("residual")

    def hidden(self, x_BW: Tensor) -> Tensor:
        """The hidden units of normalised rows."""
        return self.activation(self.enter(x_BW))

    def forward(self, x_BW: Tensor) -> Tensor:
        """Same shape as the input."""
        return x_BW + self.dropout(self.leave(self.hidden_dropout(self.hidden(self.norm(x_BW)))))


class Gated(Residual):
    """A residual block whose activated hidden units are multiplied by others."""

    def __init__(self, name: str, width: Dim) -> None:
        super().__init__(name, width)
        self.gate = ElasticLinear(width, self.enter.out)

    def hidden(self, x_BW: Tensor) -> Tensor:
        """The hidden units of normalised rows, times the gate."""
        return super().hidden(x_BW) * self.gate(x_BW)


BLOCKS: dict[Option, Callable[[str, Dim], nn.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "gated": Gated,
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
