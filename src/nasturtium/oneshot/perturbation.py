"""Choose options by what the supernet loses without them, instead of by architecture parameters.

DARTS-PT (Wang et al. 2021, https://arxiv.org/abs/2108.04392): decision by decision, in random order, the
option whose removal costs the most validation accuracy is kept, and the supernet is tuned before the next
decision. Operations come first, then which inputs nodes keep.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from nasturtium.core.seeds import seed_for
from nasturtium.modules.choice import Gate
from nasturtium.oneshot.arch_step import Batch, FirstOrder
from nasturtium.oneshot.bilevel import Bilevel, Found
from nasturtium.oneshot.diagnostics import OperationKinds
from nasturtium.oneshot.epochs import OnEpoch, cost_of, look, run_epochs
from nasturtium.oneshot.feed import prepared
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.decision import Decision
from nasturtium.space.discretize import discretize
from nasturtium.space.search_space import SearchSpace
from nasturtium.training.augment import in_order
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise


class Perturbation:
    """Makes the open decisions of a searched supernet, one an epoch.

    A removed option leaves its gate, and the weights of the others stay as they are. Accuracy is that in
    training mode, so that BatchNorms use each batch's own statistics; where it is the same, the loss
    decides. Tuning goes on with the search's updates of weights and architecture, the weights' step size
    beginning at a tenth. Same seed, same machine: same result, also when interrupted and resumed.
    """

    def __init__(self, supernet: Supernet, settings: BilevelSettings, *, fabric: Fabric, seed: int) -> None:
        self._order = order(supernet.space, seed)
        tuning = settings.model_copy(
            update={
                "epochs": len(self._order),
                "learning_rate": settings.learning_rate / 10,
                "warmup": 0.0,
                "skip_dropout": 0.0,
                "path_dropout": 0.0,
            }
        )
        self._supernet = supernet
        self._kinds = OperationKinds(supernet)
        self._settings = tuning
        self._fabric = fabric
        self._seed = seed_for(seed, "perturbation")
        self._loop = Bilevel(supernet, FirstOrder(), tuning, fabric=fabric, seed=self._seed)
        self._kept: dict[str, tuple[int, ...]] = {}
        self._removed: tuple[str, int] | None = None
        supernet.filters[:] = [self._change]  # whatever was dropped in the search no longer is
        supernet.set_skip_dropout(0.0)

    def _change(self, decision: Decision, gate: Gate) -> Gate:
        if decision.name in self._kept:
            return Gate(self._kept[decision.name])
        if self._removed is None or self._removed[0] != decision.name:
            return gate
        return gate.only([place for place, i in enumerate(gate.index) if i != self._removed[1]])

    def run(
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        images: int,
        steps: int,
        checkpoints: Checkpoints | None = None,
        on_epoch: OnEpoch = lambda _: None,
    ) -> Found:
        """Measure each removal on about `images` images of `valid`, whole batches, and tune for `steps` steps
        after each decision. Raises `Diverged` if a loss is not finite.
        """
        self._valid, self._normalise = valid, Normalise.measured(train)
        self._images = whole_batches(images, self._settings.batch_size, len(valid))
        self._loop.feed(train, valid, steps=steps)
        curve = run_epochs(
            self, len(self._order), seed=self._seed, checkpoints=checkpoints, on_epoch=on_epoch
        )
        arch = discretize(self._supernet.space, self._probabilities())
        return Found(arch, len(curve), tuple(curve), cost_of(curve))

    def epoch(self, number: int) -> SearchEpoch:
        """Make the next decision and tune the supernet."""
        decision, began = self._order[number - 1], perf_counter()
        batches = list(self._batches(number))
        left = [self._without(decision.name, i, batches) for i in range(len(decision.options))]
        hurting_most = sorted(range(len(left)), key=left.__getitem__)[: decision.k]
        self._kept[decision.name] = tuple(sorted(hurting_most))
        spent = Cost(seconds=perf_counter() - began, forward=len(left) * len(batches))
        tuned = self._loop.epoch(number)
        cost = (spent + Cost.from_dict(tuned.cost)).to_dict()
        return self._kinds.describe(replace(tuned, probabilities=self._probabilities(), cost=cost))

    def _batches(self, number: int) -> Iterator[Batch]:
        """The same images for every option of a decision."""
        draws = torch.Generator().manual_seed(seed_for(self._seed, number))
        subset = self._valid.subset(torch.randperm(len(self._valid), generator=draws)[: self._images])
        size, device = self._settings.batch_size, self._fabric.device
        return map(prepared, in_order(subset, size, normalise=self._normalise, device=device))

    def _without(self, name: str, option: int, batches: Sequence[Batch]) -> tuple[float, float]:
        """(accuracy, −loss) of the supernet without an option: the smaller, the more it was worth."""
        self._removed = (name, option)
        self._supernet.train()
        try:
            with self._fabric.autocast():
                scores = torch.stack([look(self._supernet, *batch) for batch in batches]).mean(dim=0)
        finally:
            self._removed = None
        average([scores])  # all processes must keep the same
        loss, right = scores.tolist()
        return right, -loss

    def _probabilities(self) -> dict[str, list[float]]:
        """One for options that are kept and zero for their rivals; those of open decisions as they are."""
        found = {name: row.tolist() for name, row in self._supernet.probabilities().items()}
        for name, kept in self._kept.items():
            options = range(len(self._supernet.space.decisions[name].options))
            found[name] = [float(i in kept) for i in options]
        return found

    def state(self) -> dict[str, Any]:
        """Everything that the next decision depends on."""
        return {"loop": self._loop.state(), "kept": {name: list(kept) for name, kept in self._kept.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._loop.load_state(state["loop"])
        self._kept = {name: tuple(kept) for name, kept in state["kept"].items()}


def order(space: SearchSpace, seed: int) -> list[Decision]:
    """The decisions with more than one value: first those for one option, then those for several, each at
    random.
    """
    open_ = [decision for decision in space.decisions.values() if decision.count() > 1]
    drawn = np.random.default_rng(seed_for(seed, "order")).permutation(len(open_))
    return sorted((open_[i] for i in drawn), key=lambda decision: decision.many)


def whole_batches(images: int, size: int, most: int) -> int:
    """About `images` images in whole batches: of a smaller one BatchNorm would know too little."""
    return min(max(images // size, 1) * size, most // size * size or most)
