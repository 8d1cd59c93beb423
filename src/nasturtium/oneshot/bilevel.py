"""Alternating bilevel optimisation of architecture parameters and weights, as in DARTS."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from nasturtium.oneshot.alpha_update import AlphaUpdate
from nasturtium.oneshot.arch_step import ArchStep, Batch
from nasturtium.oneshot.curvature import dominant_eigenvalue
from nasturtium.oneshot.diagnostics import OperationKinds
from nasturtium.oneshot.epochs import (
    LOOK_EVERY,
    accuracy,
    cost_of,
    look,
    refuse_infinite,
)
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.path_dropout import PathDropout
from nasturtium.oneshot.penalties import Penalty
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.oneshot.training import Training
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.space.discretize import discretize
from nasturtium.training.evaluate import split_output


class Stop(Protocol):
    """A reason to end a search early."""

    def kept(self, curve: Sequence[SearchEpoch], epochs: int) -> int | None:
        """The epoch whose architecture is taken, which ends the search of `epochs`; None: it goes on."""

    def remark(self, curve: Sequence[SearchEpoch], epochs: int) -> str:
        """What became of the search, in a sentence."""


@dataclass(frozen=True)
class Found:
    """What a search ends with; the architecture is what it pointed to after `epoch`."""

    architecture: Architecture
    epoch: int
    curve: tuple[SearchEpoch, ...]
    cost: Cost


class Bilevel(Training[BilevelSettings, Found]):
    """Per step one update of the architecture on a search-valid batch, then one of the weights on a
    search-train batch.

    `arch_step` None: both are updated by one backward pass on the search-train batch. `penalties`, and then
    those of the settings, change the architecture's loss; `stop` may end the search early. Raises
    `CannotSearch` where the supernet can't rank options.
    """

    name = "bilevel"

    def __init__(
        self,
        supernet: Supernet,
        arch_step: ArchStep | None,
        settings: BilevelSettings,
        *,
        fabric: Fabric,
        seed: int,
        penalties: Sequence[Penalty] = (),
        stop: Stop | None = None,
    ) -> None:
        supernet.require_ranks()
        assert supernet.relaxation is not None
        super().__init__(supernet, settings, fabric=fabric, seed=seed)
        self._kinds = OperationKinds(supernet)
        self._relaxation = supernet.relaxation
        self._arch_step = arch_step
        self._stop = stop
        self._path_dropout = PathDropout(settings.path_dropout, self._relaxation.generator)
        if settings.path_dropout:
            supernet.filters.append(self._path_dropout)
        self._alphas = AlphaUpdate(supernet, settings, penalties)
        self._sgd = torch.optim.SGD(
            self._weights, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )

    def enough(self, curve: Sequence[SearchEpoch]) -> bool:
        """Whether `stop` ends the search here."""
        return self._kept(curve) is not None

    def outcome(self, curve: Sequence[SearchEpoch]) -> Found:
        """The architecture of the last epoch, or of that which `stop` keeps."""
        kept = self._kept(curve)
        if kept is None:
            return Found(self._supernet.architecture(), len(curve), tuple(curve), cost_of(curve))
        architecture = discretize(self._supernet.space, curve[kept - 1].probabilities)
        return Found(architecture, kept, tuple(curve), cost_of(curve))

    def _kept(self, curve: Sequence[SearchEpoch]) -> int | None:
        return None if self._stop is None else self._stop.kept(curve, self._settings.epochs)

    def epoch(self, number: int) -> SearchEpoch:
        """One epoch; raises `Diverged`."""
        began = perf_counter()
        self._begin(number)
        cost, trained, looked = Cost(), [], []
        learns = number > self._settings.warmup * self._settings.epochs
        for step, (train, valid) in enumerate(zip(self._feed.train(), self._feed.valid(), strict=True)):
            if self._arch_step is not None and learns:
                seen, spent = self._alphas.learn(self._arch_step, train, valid, self._sgd, self._fabric)
                looked.append(seen)
                cost += spent
            elif step % LOOK_EVERY == 0:
                looked.append(self._look(valid))
                cost += Cost(forward=1)
            trained.append(self._update_weights(train, both=self._arch_step is None and learns))
            cost += Cost(
                forward=1, backward=1, samples=len(train[1]), epochs=len(train[1]) / self._feed.images
            )
            self._refuse_infinite(number, looked[-1], trained[-1])
        self._supernet.average_statistics()
        eigenvalue, spent = self._eigenvalue(number, valid)
        cost += spent + Cost(seconds=perf_counter() - began)
        return self._observed(number, trained, looked, eigenvalue, cost)

    def _begin(self, number: int) -> None:
        """All that changes from epoch to epoch."""
        settings = self._settings
        progress = settings.progress(number)
        self._sgd.param_groups[0]["lr"] = settings.step_size(number)
        self._alphas.progress = progress
        self._relaxation.anneal(progress)
        self._supernet.set_skip_dropout(settings.skip_dropout * (1 - progress))
        self._path_dropout.progress = progress
        self._supernet.train()

    def _look(self, valid: Batch) -> Tensor:
        with self._supernet.fixed_alphas(), self._fabric.autocast():
            return look(self._supernet, *valid)

    def _update_weights(self, train: Batch, *, both: bool) -> Tensor:
        """One step of SGD on the weights, and of Adam on α by the same backward pass if `both`; returns loss
        and accuracy on the training batch.
        """
        x, y = train
        weights = self._weights
        alphas = list(self._supernet.alphas.values()) if both else []
        for parameter in (*weights, *alphas):
            parameter.grad = None
        with nullcontext() if both else self._supernet.fixed_alphas(), self._fabric.autocast():
            logits, _ = split_output(self._supernet(x))
            loss = F.cross_entropy(logits, y)
            (self._alphas.penalised(loss) if both else loss).backward(inputs=[*weights, *alphas])
        average(w.grad for w in [*weights, *alphas] if w.grad is not None)
        torch.nn.utils.clip_grad_norm_(weights, self._settings.gradient_clip)
        self._sgd.step()
        if both:
            self._alphas.step()
        return torch.stack([loss.detach(), accuracy(logits, y)])

    def _refuse_infinite(self, number: int, valid: Tensor, train: Tensor) -> None:
        sizes = {name: getattr(self._settings, name) for name in ("learning_rate", "alpha_learning_rate")}
        refuse_infinite({"valid": valid, "train": train}, number, sizes)

    def _eigenvalue(self, number: int, valid: Batch) -> tuple[float | None, Cost]:
        """The curvature of the loss of one validation batch, in the epochs in which it is wanted."""
        every = self._settings.eigenvalue_every
        if every == 0 or number % every:
            return None, Cost()

        def loss(output: Any, labels: Tensor) -> Tensor:
            return F.cross_entropy(split_output(output)[0], labels)

        with torch.random.fork_rng(), self._fabric.autocast():
            return dominant_eigenvalue(self._supernet, valid, loss)

    def _observed(
        self,
        number: int,
        trained: list[Tensor],
        looked: list[Tensor],
        eigenvalue: float | None,
        cost: Cost,
    ) -> SearchEpoch:
        """The record of an epoch in which these losses and accuracies were met."""
        train_loss, train_accuracy = torch.stack(trained).mean(dim=0).tolist()
        valid_loss, valid_accuracy = torch.stack(looked).mean(dim=0).tolist()
        probabilities = {name: p.tolist() for name, p in self._supernet.probabilities().items()}
        return self._kinds.describe(
            SearchEpoch(
                number,
                train_loss,
                train_accuracy,
                valid_loss,
                valid_accuracy,
                probabilities,
                cost.to_dict(),
                eigenvalue=eigenvalue,
            )
        )

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {**super().state(), "sgd": self._sgd.state_dict(), "adam": self._alphas.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        super().load_state(state)
        self._sgd.load_state_dict(state["sgd"])
        self._alphas.load_state(state["adam"])
