"""The supernet: every candidate of a space in one network, with shared weights."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Building, Choice, Gate, building
from nasturtium.modules.derive import derive
from nasturtium.modules.edge import Edge, SkipDropout
from nasturtium.oneshot.calibrate import calibrate
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Option, members
from nasturtium.space.discretize import discretize

GateFilter = Callable[[Decision, Gate], Gate]


class Supernet(nn.Module):
    """The network of a blueprint with all its candidates, run through gates.

    With a `relaxation` it owns one row of architecture parameters per decision *name* (`alphas`), so all
    sites of a name share it. `activate` runs a single path instead. What `filters` make of a relaxation's
    gate is what runs; a position in it counts the options of the blueprint's space. Raises `CannotSearch` if
    the space has decisions that no module makes (training settings), for choices that cannot take part in the
    relaxation's mixture, and if it takes parts of channels and there are no edges.

    With `skip_dropout` the identities among the operations of edges can drop elements, at the rate that
    `set_skip_dropout` sets; what they drop is drawn from the relaxation's generator.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        relaxation: Relaxation | None = None,
        *,
        seed: int = 0,
        skip_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.space = blueprint.space
        # in a mixture a scale per candidate would only rescale its architecture parameter
        affine, part = relaxation is None, 1 if relaxation is None else relaxation.part
        draws = relaxation.generator if relaxation is not None and skip_dropout else None
        what = Building(affine=affine, part=part, skip_dropout=draws)
        with torch.random.fork_rng(devices=[]), building(what):
            torch.default_generator.manual_seed(seed)
            self.net = blueprint.make()
        self.relaxation = relaxation
        self.alphas = nn.ParameterDict()
        self.filters: list[GateFilter] = []
        self._path: Architecture | None = None
        self._everything = self._collect()
        # without the options that the blueprint's space leaves out
        self._decisions = {name: self.space.decisions[name] for name in self._everything}
        if relaxation is not None:
            relaxation.begin(seed)
            self._add_alphas(relaxation, torch.Generator().manual_seed(seed))
            self._refuse_mixtures(relaxation)
            self._refuse_parts(relaxation)
        self._connect()

    def _collect(self) -> dict[str, Decision]:
        found = {d.name: d for choice in self._choices() for d in choice.decisions()}
        missing = sorted(self.space.decisions.keys() - found.keys())
        if missing:
            raise CannotSearch(
                f"weight sharing can't search training settings ({', '.join(missing)})", others=("training",)
            )
        return found

    def _add_alphas(self, relaxation: Relaxation, generator: torch.Generator) -> None:
        null = {d.name for choice in self._choices() if choice.null for d in choice.decisions()}
        for name, decision in self._decisions.items():
            n = len(decision.options) + (relaxation.null and name in null)
            row = relaxation.alpha(decision, n, generator)
            if row is None:
                continue
            if hasattr(nn.ParameterDict(), name):
                raise UsageError(f"PyTorch uses {name!r} itself; call the decision, say, 'block/{name}'")
            self.alphas[name] = nn.Parameter(row)

    def _refuse_mixtures(self, relaxation: Relaxation) -> None:
        for choice in self._choices():
            for decision in choice.decisions():
                kept = self._decisions[decision.name]
                gate = relaxation.gate(kept, self._alpha(kept.name))
                if choice.runs_mixtures or len(kept.options) == 1:
                    continue
                if len(gate.index) != kept.k:
                    raise CannotSearch(
                        f"{type(choice).__name__} needs one option of {kept.name!r} but would get a mixture"
                        f" of {len(gate.index)}",
                        others=("path", "training"),
                    )
                if gate.weight is not None:
                    raise CannotSearch(
                        f"{type(choice).__name__} takes no weights, so that {kept.name!r} would not learn"
                        " which option is best",
                        others=("path", "training"),
                    )

    def _refuse_parts(self, relaxation: Relaxation) -> None:
        if relaxation.part > 1 and not any(isinstance(choice, Edge) for choice in self._choices()):
            raise CannotSearch(
                f"{type(relaxation).__name__} splits the channels of edges, but this space has no edges",
                others=("mixture", "path", "training"),
            )

    def require_ranks(self) -> None:
        """Raise `CannotSearch` for a k-of-n decision that has no parameters, where one of its options doesn't
        switch on decisions that learn either: a search could not tell which of its options are best.
        """
        for decision in self._decisions.values():
            if decision.k == len(decision.options) or decision.name in self.alphas:
                continue
            if not all(self._ranks(decision.name, option) for option in decision.options):
                raise CannotSearch(
                    f"{type(self.relaxation).__name__} has no parameters for {decision.name!r}, which chooses"
                    f" {decision.k} of {len(decision.options)}, and nothing below it could rank its options",
                    others=("path", "training"),
                )

    def _ranks(self, name: str, option: Option) -> bool:
        """Whether `option` of decision `name` switches on a decision whose probabilities can change: one
        option alone always has all of what it competes for.
        """
        assert self.relaxation is not None
        return any(
            len(row) > 1 or not self.relaxation.compete
            for child, row in self.alphas.items()
            if any(
                w.decision == name and option in w.options for c in self.space.conditions[child] for w in c
            )
        )

    def _choices(self) -> list[Choice]:
        return [module for module in self.net.modules() if isinstance(module, Choice)]

    def _connect(self) -> None:
        self._board: dict[str, Gate] = {}
        for choice in self._choices():
            choice.connect(self._board)

    def weights(self) -> list[nn.Parameter]:
        """The shared weights, without architecture parameters."""
        return list(self.net.parameters())

    def average_statistics(self) -> None:
        """Average the running statistics of its norms over all processes."""
        average(buffer for buffer in self.buffers() if buffer.is_floating_point())

    def skip_dropouts(self) -> list[SkipDropout]:
        """The identities that can drop elements."""
        return [module for module in self.net.modules() if isinstance(module, SkipDropout)]

    def set_skip_dropout(self, rate: float) -> None:
        """Have all of them zero elements with probability `rate`, 0 ≤ rate < 1, while they are trained."""
        for module in self.skip_dropouts():
            module.rate = rate

    def runs_several(self) -> bool:
        """Whether more of some decision's options run together in one pass than an architecture has."""
        return any(len(gate.index) > self._decisions[name].k for name, gate in self._gates().items())

    @contextmanager
    def fixed_alphas(self) -> Iterator[None]:
        """Inside, architecture parameters get no gradient, and sampled gates may run fewer options."""
        self.alphas.requires_grad_(False)
        try:
            yield
        finally:
            self.alphas.requires_grad_(True)

    def activate(self, arch: Architecture | None) -> None:
        """Run only the path of `arch` from now on; None: the relaxation's mixture again."""
        self._path = None if arch is None else self.space.validate(arch)

    def extract(self, arch: Architecture, images: Iterable[Tensor] = ()) -> nn.Module:
        """The plain network of `arch` with copies of its weights, as it is after the training of the
        supernet, in evaluation mode.

        Its BatchNorm statistics are measured on the batches of `images`; without any they are those of the
        supernet, which are mixed over paths. Raises `UsageError` if `arch` is not in the space.
        """
        net = derive(self.net, self.space.validate(arch)).eval()
        batches = list(images)
        if batches:
            calibrate(net, batches)
        return net

    def forward(self, *inputs: Tensor) -> Any:
        """What the network returns for these inputs."""
        self._board.clear()  # the old gates hold the last pass's graph
        self._board.update(self._gates())
        return self.net(*inputs)

    def _gates(self) -> dict[str, Gate]:
        path = self._path
        if path is None and self.relaxation is not None:
            path = self.relaxation.path(dict(self.alphas.items()))
        if path is not None:
            return {name: _positions(self._everything[name], path) for name in path}
        if self.relaxation is None:
            return {}
        return {name: self._relaxed(self.relaxation, d) for name, d in self._decisions.items()}

    def _relaxed(self, relaxation: Relaxation, decision: Decision) -> Gate:
        gate = relaxation.gate(decision, self._alpha(decision.name))
        for change in self.filters:
            gate = change(decision, gate)
        everything = self._everything[decision.name]
        if everything is decision or everything.options == decision.options:
            return gate
        place = [everything.options.index(option) for option in decision.options]
        idle = frozenset(place[i] for i in gate.idle)
        return Gate(tuple(place[i] for i in gate.index), gate.weight, idle)

    def _alpha(self, name: str) -> Tensor | None:
        return self.alphas.get(name)

    def probabilities(self) -> dict[str, Tensor]:
        """Per decision with architecture parameters: one probability per real option, with a gradient."""
        assert self.relaxation is not None
        return {
            name: self.relaxation.probabilities(self._decisions[name], alpha)
            for name, alpha in self.alphas.items()
        }

    def architecture(self) -> Architecture:
        """What the architecture parameters point to now (see `discretize`)."""
        return discretize(self.space, {name: p.tolist() for name, p in self.probabilities().items()})

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_board"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._connect()


def _positions(decision: Decision, path: Architecture) -> Gate:
    return Gate(tuple(decision.options.index(o) for o in members(path[decision.name])))
