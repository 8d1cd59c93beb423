"""Alternating bilevel optimisation of architecture parameters and weights, as in DARTS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from nasturtium.core.errors import Diverged
from nasturtium.core.seeds import seed_for
from nasturtium.oneshot.arch_step import ArchStep, Batch
from nasturtium.oneshot.curvature import dominant_eigenvalue
from nasturtium.oneshot.diagnostics import OperationKinds
from nasturtium.oneshot.epochs import OnEpoch, WeightSettings, accuracy, batches, prepared, run_epochs
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.path_dropout import PathDropout
from nasturtium.oneshot.regularisers import AlphaVariance, BetaDecay, ZeroOne
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.space.discretize import discretize
from nasturtium.training.augment import Batches
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import split_output
from nasturtium.training.normalise import Normalise
from nasturtium.training.schedule import cosine

LOOK_EVERY = 10  # steps between two looks at a search-valid batch that teaches nothing

Penalty = Callable[[Tensor, Supernet, float], Tensor]
"""The architecture's loss, made of the loss of a batch, the supernet, and the share of the search that is
over.
"""


class Stop(Protocol):
    """A reason to end a search early."""

    def kept(self, curve: Sequence[SearchEpoch], epochs: int) -> int | None:
        """The epoch whose architecture is taken, which ends the search of `epochs`; None: it goes on."""

    def remark(self, curve: Sequence[SearchEpoch], epochs: int) -> str:
        """What became of the search, in a sentence."""


class BilevelSettings(WeightSettings):
    """Defaults are those of the DARTS authors on CIFAR-10; the number of epochs comes from the budget."""

    batch_size: int = Field(
        64, ge=2, description="images in a step of all processes, from each of the two splits"
    )
    alpha_learning_rate: float = Field(
        3e-4,
        gt=0,
        le=10,
        description="step size of the architecture's Adam; unless it is set, short searches enlarge it",
    )
    alpha_weight_decay: float = Field(1e-3, ge=0, le=1, description="L2 penalty on architecture parameters")
    alpha_momentum: float = Field(0.5, ge=0, lt=1, description="first beta of the architecture's Adam")
    alpha_variance: float = Field(
        0.0, ge=0, description="weight of a penalty on the variance of a decision's architecture parameters"
    )
    beta_decay: float = Field(
        0.0,
        ge=0,
        description="weight, in the last epoch, of a penalty on the largest architecture parameters",
    )
    zero_one: float = Field(
        0.0, ge=0, description="weight of FairDARTS' loss that drives the weights of options to 0 or 1"
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="share of the epochs, at the beginning, that train only the weights"
    )
    skip_dropout: float = Field(
        0.0, ge=0, lt=1, description="first rate at which skip connections drop elements; falls to 0"
    )
    path_dropout: float = Field(
        0.0, ge=0, lt=1, description="chance that all options of a decision are dropped at last; rises from 0"
    )
    eigenvalue_every: int = Field(
        0, ge=0, description="epochs between measurements of the validation loss's curvature, 0: none"
    )

    def regularisers(self) -> Iterator[Penalty]:
        """The penalties that are switched on."""
        if self.alpha_variance:
            yield AlphaVariance(self.alpha_variance)
        if self.beta_decay:
            yield BetaDecay(self.beta_decay)
        if self.zero_one:
            yield ZeroOne(self.zero_one)


@dataclass(frozen=True)
class Found:
    """What a search ends with; the architecture is what it pointed to after `epoch`."""

    architecture: Architecture
    epoch: int
    curve: tuple[SearchEpoch, ...]
    cost: Cost


class Bilevel:
    """Per step one update of the architecture on a search-valid batch, then one of the weights on a
    search-train batch.

    `arch_step` None: both are updated by one backward pass on the search-train batch. `penalties`, and then
    those of the settings, change the architecture's loss; `stop` may end the search early. Same seed, same
    machine: same result, also when interrupted and resumed from `checkpoints`. Raises `CannotRelax` where the
    supernet can't rank options.
    """

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
        self._kinds = OperationKinds(supernet)
        self._supernet = supernet.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._arch_step = arch_step
        self._settings = settings
        self._fabric = fabric
        self._seed = seed
        self._penalties = [*penalties, *settings.regularisers()]
        self._stop = stop
        if settings.path_dropout:
            assert supernet.relaxation is not None
            self._path_dropout = PathDropout(settings.path_dropout, supernet.relaxation.generator)
            supernet.filters.append(self._path_dropout)
        self._sgd = torch.optim.SGD(
            supernet.weights(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )
        self._adam = torch.optim.Adam(
            supernet.alphas.values(),
            settings.alpha_learning_rate,
            betas=(settings.alpha_momentum, 0.999),
            weight_decay=settings.alpha_weight_decay,
        )

    def run(
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        steps: int | None = None,
        checkpoints: Checkpoints | None = None,
        on_epoch: OnEpoch = lambda _: None,
    ) -> Found:
        """Search for the settings' number of epochs, of `steps` steps each (None: one pass over `train`).

        `on_epoch` is told every epoch, after its checkpoint is safe; on resuming the earlier ones are told
        again. Raises `Diverged` if a loss is not finite.
        """
        self.feed(train, valid, steps=steps)
        curve = run_epochs(
            self,
            self._settings.epochs,
            seed=seed_for(self._seed, "bilevel"),
            checkpoints=checkpoints,
            on_epoch=on_epoch,
            enough=lambda curve: self._kept(curve) is not None,
        )
        cost = sum((Cost.from_dict(epoch.cost) for epoch in curve), Cost())
        kept = self._kept(curve)
        if kept is None:
            return Found(self._supernet.architecture(), len(curve), tuple(curve), cost)
        architecture = discretize(self._supernet.space, curve[kept - 1].probabilities)
        return Found(architecture, kept, tuple(curve), cost)

    def _kept(self, curve: Sequence[SearchEpoch]) -> int | None:
        return None if self._stop is None else self._stop.kept(curve, self._settings.epochs)

    def feed(self, train: ImageSet, valid: ImageSet, *, steps: int | None) -> None:
        """Take batches from these images from now on, `steps` to an epoch (None: one pass over `train`)."""
        self._images = len(train)
        self._train, self._valid = self._loaders(train, valid, steps)

    def _loaders(self, train: ImageSet, valid: ImageSet, steps: int | None) -> tuple[Batches, Batches]:
        normalise = Normalise.measured(train)

        def loader(name: str, images: ImageSet, steps: int | None) -> Batches:
            return batches(
                images,
                self._settings,
                normalise=normalise,
                seed=seed_for(self._seed, "bilevel", name),
                device=self._fabric.device,
                steps=steps,
            )

        first = loader("train", train, steps)
        return first, loader("valid", valid, len(first))

    def epoch(self, number: int) -> SearchEpoch:
        """One epoch; raises `Diverged`."""
        settings, began = self._settings, perf_counter()
        self._sgd.param_groups[0]["lr"] = cosine(
            number - 1, settings.epochs, settings.learning_rate, settings.learning_rate_end
        )
        self._progress = (number - 1) / max(settings.epochs - 1, 1)
        assert self._supernet.relaxation is not None
        self._supernet.relaxation.anneal(self._progress)
        self._supernet.set_skip_dropout(settings.skip_dropout * (1 - self._progress))
        if settings.path_dropout:
            self._path_dropout.progress = self._progress
        self._supernet.train()
        warming = number <= settings.warmup * settings.epochs
        cost, trained, looked = Cost(), [], []
        pairs = zip(map(prepared, self._train), map(prepared, self._valid), strict=True)
        for step, (train, valid) in enumerate(pairs):
            if self._arch_step is not None and not warming:
                looked.append(self._update_architecture(self._arch_step, train, valid))
                cost += Cost(
                    forward=self._arch_step.passes,
                    backward=self._arch_step.backward_passes,
                    samples=len(valid[1]),
                )
            elif step % LOOK_EVERY == 0:
                looked.append(self._look(valid))
                cost += Cost(forward=1)
            trained.append(self._update_weights(train, both=self._arch_step is None and not warming))
            cost += Cost(forward=1, backward=1, samples=len(train[1]), epochs=len(train[1]) / self._images)
            self._refuse_infinite(number, looked[-1], trained[-1])
        self._supernet.average_statistics()
        eigenvalue, spent = self._eigenvalue(number, valid)
        cost += spent + Cost(seconds=perf_counter() - began)
        valid_loss, valid_accuracy = torch.stack(looked).mean(dim=0).tolist()
        train_loss, train_accuracy = torch.stack(trained).mean(dim=0).tolist()
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

    def _eigenvalue(self, number: int, valid: Batch) -> tuple[float | None, Cost]:
        """The curvature of the loss of one validation batch, in the epochs in which it is wanted."""
        every = self._settings.eigenvalue_every
        if every == 0 or number % every:
            return None, Cost()

        def loss(output: Any, labels: Tensor) -> Tensor:
            return F.cross_entropy(split_output(output)[0], labels)

        with torch.random.fork_rng(), self._fabric.autocast():
            return dominant_eigenvalue(self._supernet, valid, loss)

    def _refuse_infinite(self, number: int, valid: Tensor, train: Tensor) -> None:
        average([valid, train])  # so that all processes stop together
        if not torch.isfinite(torch.cat([valid, train])).all():
            settings = self._settings
            raise Diverged(
                f"the loss of the search became {valid[0]:g} (valid), {train[0]:g} (train) in epoch {number};"
                f" lower learning_rate (now {settings.learning_rate:g}) or alpha_learning_rate (now"
                f" {settings.alpha_learning_rate:g}). The state after the last whole epoch is saved."
            )

    def _update_architecture(self, arch_step: ArchStep, train: Batch, valid: Batch) -> Tensor:
        """One step of Adam on α; returns loss and accuracy on the validation batch, over its passes."""
        seen: list[Tensor] = []

        def loss(output: Any, labels: Tensor) -> Tensor:
            logits, _ = split_output(output)
            value = F.cross_entropy(logits, labels)
            if labels is not valid[1]:
                return value
            seen.append(torch.stack([value.detach(), accuracy(logits, labels)]))
            return self._penalised(value)

        with self._fabric.autocast():
            gradients = arch_step.gradient(self._supernet, train, valid, loss, self._sgd)
        for name, gradient in gradients.items():
            self._supernet.alphas[name].grad = gradient
        self._step_architecture()
        return torch.stack(seen).mean(dim=0)

    def _penalised(self, loss: Tensor) -> Tensor:
        for penalty in self._penalties:
            loss = penalty(loss, self._supernet, self._progress)
        return loss

    def _step_architecture(self) -> None:
        self._adam.step()
        assert self._supernet.relaxation is not None
        self._supernet.relaxation.settle(dict(self._supernet.alphas.items()))

    def _look(self, valid: Batch) -> Tensor:
        """Loss and accuracy on a validation batch that nothing learns from."""
        x, y = valid
        with torch.no_grad(), self._supernet.fixed_alphas(), self._fabric.autocast():
            logits, _ = split_output(self._supernet(x))
            return torch.stack([F.cross_entropy(logits, y), accuracy(logits, y)])

    def _update_weights(self, train: Batch, *, both: bool) -> Tensor:
        """One step of SGD on the weights, and of Adam on α by the same backward pass if `both`; returns loss
        and accuracy on the training batch.
        """
        x, y = train
        weights = self._supernet.weights()
        alphas = list(self._supernet.alphas.values()) if both else []
        for parameter in (*weights, *alphas):
            parameter.grad = None
        with nullcontext() if both else self._supernet.fixed_alphas(), self._fabric.autocast():
            logits, _ = split_output(self._supernet(x))
            loss = F.cross_entropy(logits, y)
            (self._penalised(loss) if both else loss).backward(inputs=[*weights, *alphas])
        average(w.grad for w in [*weights, *alphas] if w.grad is not None)
        torch.nn.utils.clip_grad_norm_(weights, self._settings.gradient_clip)
        self._sgd.step()
        if both:
            self._step_architecture()
        return torch.stack([loss.detach(), accuracy(logits, y)])

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "supernet": self._supernet.state_dict(),
            "sgd": self._sgd.state_dict(),
            "adam": self._adam.state_dict(),
            "loaders": [self._train.state, self._valid.state],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._supernet.load_state_dict(state["supernet"])
        self._sgd.load_state_dict(state["sgd"])
        self._adam.load_state_dict(state["adam"])
        for loader, stood in zip((self._train, self._valid), state["loaders"], strict=True):
            loader.load_state(stood)
