"""Recurrent cells of highway layers, as ENAS and DARTS search them, and a language model around one.

A highway layer (Srivastava et al. 2015, https://arxiv.org/abs/1505.00387; in recurrent networks Zilly et
al. 2017, https://arxiv.org/abs/1607.03474) moves a state `s` by a gate: `s + σ(V s)·(f(W s) − s)`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nasturtium.modules.activations import ACTIVATIONS
from nasturtium.modules.choice import Choice, add, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value, members

FUNCTIONS = {name: ACTIVATIONS[name] for name in ("tanh", "relu", "sigmoid", "identity")}


class Highway(nn.Module):
    """The gated step with one activation function, for what a layer has made of the state."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """State, gate in 0–1 and candidate before its activation, B×H each → B×H."""
        return parts[0] + parts[1] * (self.activation(parts[2]) - parts[0])


class HighwayLayer(nn.Module):
    """Gate and candidate by one matrix from the state, then `update`, a `Highway` or a choice of them."""

    def __init__(self, weights: nn.Linear, update: nn.Module) -> None:
        super().__init__()
        self.weights = weights
        self.update = update

    def forward(self, state_BH: Tensor) -> Tensor:
        """B×H → B×H."""
        gate, candidate = self.weights(state_BH).chunk(2, dim=-1)
        return self.update([state_BH, gate.sigmoid(), candidate])


class Entry(nn.Module):
    """The first layer of a cell: it sees the input, too."""

    def __init__(self, width: int, activation: nn.Module) -> None:
        super().__init__()
        self.of_input, self.of_state = both_halves(width), both_halves(width)
        self.update = Highway(activation)

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Input B×H and the cell's last output, B×H or 1×H → B×H."""
        gate, candidate = (self.of_input(parts[0]) + self.of_state(parts[1])).chunk(2, dim=-1)
        return self.update([parts[1], gate.sigmoid(), candidate])


def both_halves(width: int) -> nn.Linear:
    """A matrix for gate and candidate together, H → 2H, with the first weights of the authors of DARTS."""
    linear = nn.Linear(width, 2 * width, bias=False)
    nn.init.uniform_(linear.weight, -0.04, 0.04)
    return linear


class RecurrentCell(nn.Module):
    """State 0 is the `entry`'s, each of the `nodes` makes one more from those before it, `output` joins
    them.

    While a mixture is built, one BatchNorm keeps its states from growing, as in the search of DARTS.
    """

    def __init__(self, width: int, entry: nn.Module, nodes: Iterable[nn.Module], output: nn.Module) -> None:
        super().__init__()
        self.entry = entry
        self.nodes = nn.ModuleList(nodes)
        self.output = output
        self.norm = nn.Identity() if current().affine else nn.BatchNorm1d(width, affine=False)

    def forward(self, x_BH: Tensor, state_BH: Tensor) -> Tensor:
        """The input and the cell's last output → its next output, B×H."""
        states = [self.norm(self.entry([x_BH, state_BH]))]
        for node in self.nodes:
            states.append(self.norm(node(states)))
        return self.output(states)


class MeanOf(nn.Module):
    """The mean of the states at fixed positions."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__()
        self.positions = tuple(positions)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are tensors of one shape."""
        return add(states[i] for i in self.positions) / len(self.positions)


class MeanOfLooseEnds(Choice):
    """The mean of the states that no node uses; `inputs` are the nodes' decisions, from state 1 on.

    Which states these are has no mixture.
    """

    runs_mixtures = False

    def __init__(self, inputs: Sequence[Decision]) -> None:
        super().__init__()
        self._inputs = tuple(inputs)

    def decisions(self) -> tuple[Decision, ...]:
        """Which states the nodes use."""
        return self._inputs

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The mean of certain states."""
        return self._mean(arch)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are all states of the cell, B×H each."""
        return self._mean(self.values(self._inputs))(states)

    def _mean(self, values: Mapping[str, Value]) -> MeanOf:
        used = {source for decision in self._inputs for source in members(values[decision.name])}
        return MeanOf([i for i in range(len(self._inputs) + 1) if i not in used])


class LanguageModel(nn.Module):
    """Embedding, a cell run over `length` tokens from a state of zeros, scores of the next token by the
    embedding's own weights.
    """

    def __init__(self, length: int, vocabulary: int, width: int, cell: nn.Module, *, bias: bool) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(vocabulary, width)
        self.cell = cell
        self.classifier = nn.Linear(width, vocabulary, bias=bias)
        nn.init.uniform_(self.embedding.weight, -0.04, 0.04)
        if bias:
            nn.init.zeros_(self.classifier.bias)
        self.classifier.weight = self.embedding.weight
        self.register_buffer("start", torch.zeros(1, width))

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Whole numbers below the size of the vocabulary → scores B×L×vocabulary."""
        x_BLH = self.embedding(tokens_BL)
        state = self.start
        outputs = []
        for i in range(self.length):
            state = self.cell(x_BLH[:, i], state)
            outputs.append(state)
        return self.classifier(torch.stack(outputs, dim=1))
