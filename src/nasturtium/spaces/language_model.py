"""Decoder-only language models, of parts that searches for transformers have tried or found.

This space is our own. Its frame is that of GPT-2: learned positions, LayerNorm before each part and a
shortcut around it, and token vectors that are also the weights of the output (tied); GPT-2 small itself, with
the exact GELU, is the point 768 wide, 12 deep, 12 heads, ratio 4. Width and depth are chosen for the network;
for each layer the number of heads, the ratio of the MLP, and

- `attention`: to all earlier positions, to a local window, or strided (Child et al. 2019,
  https://arxiv.org/abs/1904.10509; every head sees the union of its two patterns);
- `conv`: Primer's depthwise convolution of width 3 after the projections to queries, keys and values (So et
  al. 2021, https://arxiv.org/abs/2109.08668);
- `unit` of the MLP: an activation, among them Primer's squared ReLU, or a gated unit (Shazeer 2020,
  https://arxiv.org/abs/2002.05202), whose gate has a projection of its own: the MLP is half as large again;
- `before`: nothing, or one of two parts of the Evolved Transformer (So et al. 2019,
  https://arxiv.org/abs/1901.11117): a gated linear unit, or its decoder's two separable convolutions side by
  side, 11 (with ReLU) and 7 positions wide, with a third of 7 after them. Our branches are as wide as the
  network, theirs twice and half as wide.

Nothing sees later positions. There is no dropout. Sequences have the length that the network was made for.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.activations import ACTIVATIONS
from nasturtium.modules.blocks.attention import DotProduct, local_mask, strided_mask
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, Own, derived
from nasturtium.modules.elastic.attention import Attention
from nasturtium.modules.elastic.causal_conv import ElasticCausalDepthwise
from nasturtium.modules.elastic.embedding import ElasticEmbedding, ElasticUnembedding
from nasturtium.modules.elastic.layer_norm import ElasticLayerNorm
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.tokens import ElasticVectors, Positions
from nasturtium.modules.example import random_tokens
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Option, Value
from nasturtium.spaces.base import space

HEADS, RATIOS = (3, 6, 12), (2, 3, 4)
PLAIN = ("relu", "gelu", "silu", "squared_relu")
GATED = {"glu": "sigmoid", "geglu": "gelu", "swiglu": "silu"}  # a unit's name → the activation of its gate


class PlainUnit(nn.Module):
    """An activation, which does not look at the input of the MLP."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x_BLC: Tensor, inside_BLD: Tensor) -> Tensor:
        """Same shape as `inside`."""
        return self.activation(inside_BLD)


class GatedUnit(nn.Module):
    """Multiplies by a gate, which is a projection of the input of the MLP and an activation."""

    def __init__(self, activation: str, width: Own, inside: Own) -> None:
        super().__init__()
        self.gate = ElasticLinear(width, inside)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x_BLC: Tensor, inside_BLD: Tensor) -> Tensor:
        """Same shape as `inside`."""
        return self.activation(self.gate(x_BLC)) * inside_BLD


class FeedForward(nn.Module):
    """Two projections with a unit between them.

    In a supernet all units share the two.
    """

    def __init__(self, name: str, width: Dim) -> None:
        super().__init__()
        inside = derived(lambda w, r: w * r, width, Dim(f"{name}/ratio", RATIOS), hidden=True)
        self.up = ElasticLinear(width, inside)
        self.unit = OneOf(f"{name}/unit", _units(width, inside))
        self.down = ElasticLinear(inside, width)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        return self.down(self.unit(x_BLC, self.up(x_BLC)))


def _units(width: Own, inside: Own) -> dict[Option, Callable[[], nn.Module]]:
    plain: dict[Option, Callable[[], nn.Module]] = {name: partial(PlainUnit, name) for name in PLAIN}
    return plain | {name: partial(GatedUnit, gate, width, inside) for name, gate in GATED.items()}


class GatedLinear(nn.Module):
    """A projection times the sigmoid of another, with a shortcut."""

    def __init__(self, width: Own) -> None:
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        self.values, self.gate = ElasticLinear(width, width), ElasticLinear(width, width)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        y = self.norm(x_BLC)
        return x_BLC + self.values(y) * self.gate(y).sigmoid()


class ConvBranches(nn.Module):
    """The sum of two separable convolutions, and another after it, with a shortcut."""

    def __init__(self, width: Own) -> None:
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        self.long = nn.Sequential(_separable(width, 11), nn.ReLU())
        self.short = _separable(width, 7)
        self.joined = nn.Sequential(ElasticLayerNorm(width), _separable(width, 7))

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        y = self.norm(x_BLC)
        return x_BLC + self.joined(self.long(y) + self.short(y))


def _separable(width: Own, kernel: int) -> nn.Module:
    return nn.Sequential(ElasticCausalDepthwise(width, kernel), ElasticLinear(width, width))


class DecoderBlock(nn.Module):
    """Attention and an MLP with shortcuts around them, after what comes before."""

    def __init__(self, name: str, width: Dim, length: int, window: int, stride: int) -> None:
        super().__init__()
        self.before = OneOf(
            f"{name}/before",
            {"none": nn.Identity, "glu": lambda: GatedLinear(width), "sep_conv": lambda: ConvBranches(width)},
        )
        score = OneOf(
            f"{name}/attention",
            {
                "full": lambda: DotProduct(causal=True),
                "local": lambda: DotProduct(mask=local_mask(length, window)),
                "strided": lambda: DotProduct(mask=strided_mask(length, stride)),
            },
        )

        def convolution(channels: Own) -> nn.Module:
            return OneOf(
                f"{name}/conv",
                {"none": nn.Identity, "dconv_3": lambda: ElasticCausalDepthwise(channels, 3)},
            )

        self.norm1, self.norm2 = ElasticLayerNorm(width), ElasticLayerNorm(width)
        self.attention = Attention(width, Dim(f"{name}/heads", HEADS), score=score, after=convolution)
        self.feed_forward = FeedForward(name, width)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        x = self.before(x_BLC)
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class LanguageModel(nn.Module):
    """Token vectors, positions, a stack of blocks, scores of the next token."""

    def __init__(
        self, length: int, vocabulary: int, *, width: int, layers: int, window: int, stride: int
    ) -> None:
        super().__init__()
        chosen = Dim("network/width", (width // 2, width * 3 // 4, width))
        self.embedding = ElasticEmbedding(vocabulary, chosen)
        self.positions = ElasticVectors(Positions, length, chosen)
        self.blocks = Repeat(
            "network/depth",
            lambda i: DecoderBlock(f"layer{i + 1}", chosen, length, window, stride),
            range(max(layers // 2, 1), layers + 1),
        )
        self.norm = ElasticLayerNorm(chosen)
        self.output = ElasticUnembedding(self.embedding)
        for layer in self.modules():
            if isinstance(layer, ElasticLinear | ElasticEmbedding):
                nn.init.normal_(layer.weight, std=0.02)
            if isinstance(layer, ElasticLinear):
                nn.init.zeros_(layer.bias)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Whole numbers B×L → scores of the token after each, B×L×vocabulary."""
        x_BLC = self.positions(self.embedding(tokens_BL))
        return self.output(self.norm(self.blocks(x_BLC)))


@space(
    "language-model",
    summary="decoder-only transformers: attention pattern, convolutions and gated units in each layer",
    paper="https://arxiv.org/abs/2109.08668",
    takes="tokens",
    gives="tokens",
    shape=(256,),
    classes=256,
    small_shape=(12,),
    small={"width": 48, "layers": 2, "window": 4, "stride": 3},
)
def language_model(
    input_shape: tuple[int],
    classes: int,
    *,
    width: int = 768,
    layers: int = 12,
    window: int = 32,
    stride: int = 16,
) -> Blueprint:
    """Networks of half to all of `layers` blocks, and a half, three quarters or all of `width` wide.

    `classes` is the vocabulary; `window` and `stride` are those of local and strided attention, which in
    sequences no longer than them see as much as full attention. Raises `UsageError` for a width that is no
    multiple of 48, which heads need.
    """
    if width % 48:
        raise UsageError(f"space 'language-model': 'width' must be a multiple of 48, got {width}")
    (length,) = input_shape
    published = (width, layers) == (768, 12)
    return Blueprint(
        lambda: LanguageModel(length, classes, width=width, layers=layers, window=window, stride=stride),
        example=random_tokens((length,), classes),
        points={"GPT-2 small": gpt2_small()} if published else {},
    )


def gpt2_small() -> Architecture:
    """GPT-2 small; it is published for sequences of 1,024 of 50,257 tokens."""
    values: dict[str, Value] = {"network/width": 768, "network/depth": 12}
    for layer in (f"layer{i}" for i in range(1, 13)):
        values |= {f"{layer}/heads": 12, f"{layer}/ratio": 4, f"{layer}/unit": "gelu"}
        values |= {f"{layer}/attention": "full", f"{layer}/conv": "none", f"{layer}/before": "none"}
    return Architecture(values)
