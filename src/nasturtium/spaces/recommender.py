"""Recommendation from categories: blocks of feature interactions wired into a graph, after AutoCTR.

Song et al. 2020, https://arxiv.org/abs/2007.06434. As there, a block is a layer of 32 to 1024 units, a
factorisation machine, or all dot products; it takes any of the raw fields (all of them or none) and of the
blocks before it; the classifier takes what no block uses. Each field's embedding width is decided as well,
with a linear map to the common width, as in AutoDim (Zhao et al. 2021, https://arxiv.org/abs/2006.14827).

Differences: all inputs are categories (bin numbers first); every block ends with a linear map to one vector
of the common width, which AutoCTR makes anew in every block that uses it; dot products are taken of each pair
once, and linear layers over several inputs have a bias per input. A block without inputs does not exist.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.embedding import ElasticEmbedding
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.example import random_tokens
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.sum_over import Key, SumOver
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, Value
from nasturtium.spaces.base import space

BLOCKS = 7


class Fields(nn.Module):
    """One embedding per field, each of a width of its own, made equally wide by a linear map."""

    def __init__(self, fields: int, vocabulary: int, width: int) -> None:
        super().__init__()
        widths = _halves(width, 4)
        self.embeddings = nn.ModuleList()
        for i in range(fields):
            own = Dim(f"field{i + 1}/width", widths)
            self.embeddings.append(
                nn.Sequential(ElasticEmbedding(vocabulary, own), ElasticLinear(own, width, bias=False))
            )

    def forward(self, fields_BF: Tensor) -> Tensor:
        """Category numbers → B×F×width."""
        return torch.stack([embed(fields_BF[:, i]) for i, embed in enumerate(self.embeddings)], dim=1)


class DotProducts(nn.Module):
    """A linear map of the dot products of two groups of vectors, or of the pairs within one."""

    kept: Tensor

    def __init__(self, first: int, second: int, out: int, *, within: bool) -> None:
        super().__init__()
        pairs = torch.ones(first, second, dtype=torch.bool, device="cpu")
        kept = pairs.triu() if within else pairs
        self.register_buffer("kept", kept.flatten().nonzero().flatten())
        self.linear = nn.Linear(int(kept.sum()), out)

    def forward(self, x_BND: Tensor, y_BMD: Tensor) -> Tensor:
        """B×N×D and B×M×D → B×out."""
        products = (x_BND @ y_BMD.transpose(1, 2)).flatten(1)
        return self.linear(products[:, self.kept])


class Moment(nn.Module):
    """The sum of a group's vectors, or of their squares."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power

    def forward(self, x_BND: Tensor) -> Tensor:
        """B×N×D → B×D."""
        return x_BND.pow(self.power).sum(dim=1)


class Inputs:
    """Which states block `i` uses: one decision for each earlier one, of which some is "yes"."""

    def __init__(self, i: int) -> None:
        self.decisions = [Decision(f"block{i}/from {_state(j)}", ("no", "yes")) for j in range(i)]

    def pick(self, values: Mapping[str, Value]) -> list[int]:
        """The positions of the states that are used."""
        return [j for j, decision in enumerate(self.decisions) if values[decision.name] == "yes"]

    def rule(self) -> Rule:
        """A block without inputs is none."""
        names = frozenset(decision.name for decision in self.decisions)
        return Rule("every block needs an input", names, lambda seen: "yes" in seen.values())

    def sum_over(self, part: Callable[[Key], nn.Module]) -> SumOver:
        """The sum of parts that take one used state each."""
        keys = [(j,) for j in range(len(self.decisions))]
        return SumOver(self.decisions, lambda values: [(j,) for j in self.pick(values)], part, keys)


def _state(j: int) -> str:
    return "fields" if j == 0 else f"block{j}"


def _halves(largest: int, number: int) -> tuple[int, ...]:
    """`largest` halved again and again, smallest first."""
    return tuple(sorted({max(1, largest // 2**i) for i in range(number)}))


def _flat(vectors: int, width: int, out: int | Dim) -> nn.Module:
    return nn.Sequential(nn.Flatten(), ElasticLinear(vectors * width, out))


class Layer(nn.Module):
    """A linear layer over all used vectors, ReLU, and the map to the common width."""

    def __init__(self, i: int, vectors: Sequence[int], width: int, units: int) -> None:
        super().__init__()
        hidden = Dim(f"block{i}/units", _halves(units, 6))
        self.enter = Inputs(i).sum_over(lambda key: _flat(vectors[key[0]], width, hidden))
        self.activation = nn.ReLU()
        self.leave = ElasticLinear(hidden, width)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """States B×N×D each → B×D."""
        return self.leave(self.activation(self.enter(states)))


class Factorisation(nn.Module):
    """A factorisation machine (Rendle 2010): a linear term and the sum of all pairs' dot products."""

    def __init__(self, i: int, vectors: Sequence[int], width: int) -> None:
        super().__init__()
        inputs = Inputs(i)
        self.first_order = inputs.sum_over(lambda key: _flat(vectors[key[0]], width, 1))
        self.sums = inputs.sum_over(lambda key: Moment(1))
        self.squares = inputs.sum_over(lambda key: Moment(2))
        self.leave = nn.Linear(1, width)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """States B×N×D each → B×D."""
        pairs = (self.sums(states).pow(2) - self.squares(states)).sum(dim=1, keepdim=True)
        return self.leave(self.first_order(states) + 0.5 * pairs)


def dot_products(i: int, vectors: Sequence[int], width: int) -> SumOver:
    """A linear map of the dot products of all pairs of used vectors, each with itself included."""
    inputs = Inputs(i)
    return SumOver(
        inputs.decisions,
        lambda values: combinations_with_replacement(inputs.pick(values), 2),
        lambda key: DotProducts(vectors[key[0]], vectors[key[1]], width, within=key[0] == key[1]),
        combinations_with_replacement(range(i), 2),
    )


class Recommender(nn.Module):
    """Fields, blocks and a linear classifier of what is left unused."""

    def __init__(
        self, fields: int, classes: int, *, vocabulary: int, width: int, blocks: int, units: int
    ) -> None:
        super().__init__()
        self.fields = Fields(fields, vocabulary, width)
        vectors = (fields, *(1 for _ in range(blocks)))
        self.blocks = nn.ModuleList()
        for i in range(1, blocks + 1):
            kinds: dict[str | int | float, Callable[[], nn.Module]] = {
                "layer": partial(Layer, i, vectors, width, units),
                "factorisation": partial(Factorisation, i, vectors, width),
                "dot products": partial(dot_products, i, vectors, width),
            }
            self.blocks.append(OneOf(f"block{i}/kind", kinds))
        self.classifier = SumOver(
            [decision for i in range(1, blocks + 1) for decision in Inputs(i).decisions],
            lambda values: [(j,) for j in loose_ends(values, blocks)],
            lambda key: _flat(vectors[key[0]], width, classes),
            [(j,) for j in range(1, blocks + 1)],  # the first block can only use the fields
        )

    def forward(self, fields_BF: Tensor) -> Tensor:
        """Category numbers B×F → logits B×classes."""
        states = [self.fields(fields_BF)]
        for block in self.blocks:
            states.append(block(states).unsqueeze(1))
        return self.classifier(states)


def loose_ends(values: Mapping[str, Value], blocks: int) -> list[int]:
    """The states that no block uses."""
    used = {j for i in range(1, blocks + 1) for j in Inputs(i).pick(values)}
    return [j for j in range(blocks + 1) if j not in used]


@space(
    "recommender",
    summary="7 blocks of feature interactions in a graph, embedding widths per field",
    paper="https://arxiv.org/abs/2007.06434",
    takes="fields",
    shape=(39,),
    classes=2,
    small_shape=(4,),
    small={"vocabulary": 20, "width": 8, "blocks": 3, "units": 32},
)
def recommender(
    input_shape: tuple[int],
    classes: int,
    *,
    vocabulary: int = 10_000,
    width: int = 16,
    blocks: int = BLOCKS,
    units: int = 1024,
) -> Blueprint:
    """Rows of `input_shape` category numbers below `vocabulary`; Criteo has 39 fields.

    `units` are the most of a layer, `width` is the common and largest width of a vector.
    """
    return Blueprint(
        lambda: Recommender(
            input_shape[0], classes, vocabulary=vocabulary, width=width, blocks=blocks, units=units
        ),
        constraints=[Inputs(i).rule() for i in range(1, blocks + 1)],
        graphs=lambda arch: [_graph(arch, blocks)],
        example=random_tokens(input_shape, vocabulary),
    )


def _graph(arch: Architecture, blocks: int) -> CellGraph:
    kinds = []
    for i in range(1, blocks + 1):
        units = f" {arch[f'block{i}/units']}" if f"block{i}/units" in arch else ""
        kinds.append(f"{arch[f'block{i}/kind']}{units}")
    edges = tuple((j, i, "") for i in range(1, blocks + 1) for j in Inputs(i).pick(arch))
    return CellGraph(
        "blocks",
        1,
        ("fields", *map(str, range(1, blocks + 1))),
        edges,
        tuple(loose_ends(arch, blocks)),
        ops=("", *kinds),
        decisions=tuple(name for name in arch if name.startswith("block")),
    )
