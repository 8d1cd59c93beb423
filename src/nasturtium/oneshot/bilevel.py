"""Alternating bilevel optimisation of architecture parameters and weights, as in DARTS."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from nasturtium.core.errors import Diverged
from nasturtium.core.seeds import seed_for
from nasturtium.core.settings import Settings
from nasturtium.oneshot.arch_step import ArchStep, Batch
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.training.augment import Augment, Batches
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import split_output
from nasturtium.training.normalise import Normalise
from nasturtium.training.schedule import cosine


class BilevelSettings(Settings):
    """Defaults are those of the DARTS authors on CIFAR-10; the number of epochs comes from the budget."""

    what = "search settings"

    epochs: int = Field(50, ge=1, description="passes over the search-train split")
    batch_size: int = Field(64, ge=2, description="images in a step, from each of the two splits")
    learning_rate: float = Field(0.025, gt=0, le=10, description="first step size of the weights")
    learning_rate_end: float = Field(0.001, ge=0, le=10, description="step size at the end of the cosine")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of the weights' SGD")
    weight_decay: float = Field(3e-4, ge=0, le=1, description="L2 penalty on the weights")
    gradient_clip: float = Field(5.0, gt=0, description="highest L2 norm of the weights' gradient")
    alpha_learning_rate: float = Field(3e-4, gt=0, le=10, description="step size of the architecture's Adam")
    alpha_weight_decay: float = Field(1e-3, ge=0, le=1, description="L2 penalty on architecture parameters")
    crop_padding: int = Field(0, ge=0, description="pixels an image may be shifted by")
    mirror: bool = Field(False, description="whether images are mirrored half of the time")


@dataclass(frozen=True)
class Found:
    """What a search ends with."""

    architecture: Architecture
    curve: tuple[SearchEpoch, ...]
    cost: Cost


class Bilevel:
    """Per step one update of the architecture on a search-valid batch, then one of the weights on a
    search-train batch.

    Same seed, same machine: same result, also when interrupted and resumed from `checkpoints`.
    """

    def __init__(
        self, supernet: Supernet, arch_step: ArchStep, settings: BilevelSettings, *, fabric: Fabric, seed: int
    ) -> None:
        self._supernet = supernet.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._arch_step = arch_step
        self._settings = settings
        self._fabric = fabric
        self._seed = seed
        self._sgd = torch.optim.SGD(
            supernet.weights(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )
        self._adam = torch.optim.Adam(
            supernet.alphas.values(),
            settings.alpha_learning_rate,
            betas=(0.5, 0.999),
            weight_decay=settings.alpha_weight_decay,
        )

    def run(
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        steps: int | None = None,
        checkpoints: Checkpoints | None = None,
        on_epoch: Callable[[SearchEpoch], None] = lambda _: None,
    ) -> Found:
        """Search for the settings' number of epochs, of `steps` steps each (None: one pass over `train`).

        `on_epoch` is told every epoch, after its checkpoint is safe; on resuming the earlier ones are told
        again. Raises `Diverged` if a loss is not finite.
        """
        loaders = self._loaders(train, valid, steps)
        with torch.random.fork_rng():
            torch.manual_seed(seed_for(self._seed, "bilevel"))
            curve = self._resume(checkpoints, loaders)
            for epoch in curve:
                on_epoch(epoch)
            for number in range(len(curve) + 1, self._settings.epochs + 1):
                curve.append(self._epoch(number, loaders, len(train)))
                if checkpoints is not None:
                    checkpoints.save(number, self._state(curve, loaders))
                on_epoch(curve[-1])
        cost = sum((Cost.from_dict(epoch.cost) for epoch in curve), Cost())
        return Found(self._supernet.architecture(), tuple(curve), cost)

    def _loaders(self, train: ImageSet, valid: ImageSet, steps: int | None) -> tuple[Batches, Batches]:
        normalise = Normalise.measured(train)
        settings = self._settings

        def batches(name: str, images: ImageSet, steps: int | None) -> Batches:
            return Batches(
                images,
                settings.batch_size,
                generator=torch.Generator().manual_seed(seed_for(self._seed, "bilevel", name)),
                augment=Augment(crop_padding=settings.crop_padding, mirror=settings.mirror),
                normalise=normalise,
                device=self._fabric.device,
                steps=steps,
            )

        first = batches("train", train, steps)
        return first, batches("valid", valid, len(first))

    def _epoch(self, number: int, loaders: tuple[Batches, Batches], images: int) -> SearchEpoch:
        settings, began = self._settings, perf_counter()
        rate = cosine(number - 1, settings.epochs, settings.learning_rate, settings.learning_rate_end)
        self._sgd.param_groups[0]["lr"] = rate
        self._supernet.train()
        rows, samples = [], 0
        for train, valid in zip(
            map(_channels_last, loaders[0]), map(_channels_last, loaders[1]), strict=True
        ):
            figures = torch.stack([*self._update_architecture(train, valid), *self._update_weights(train)])
            rows.append(figures)
            samples += len(train[1])
            if not torch.isfinite(figures).all():
                raise Diverged(
                    f"the loss of the search became {figures[0]:g} (valid), {figures[2]:g} (train) in epoch"
                    f" {number};"
                    f" lower learning_rate (now {settings.learning_rate:g}) or alpha_learning_rate (now"
                    f" {settings.alpha_learning_rate:g}). The state after the last whole epoch is saved."
                )
        passes = len(rows) * (1 + self._arch_step.passes)
        cost = Cost(perf_counter() - began, passes, passes, 2 * samples, samples / images)
        valid_loss, valid_accuracy, train_loss, train_accuracy = torch.stack(rows).mean(dim=0).tolist()
        probabilities = {name: p.tolist() for name, p in self._supernet.probabilities().items()}
        return SearchEpoch(
            number, train_loss, train_accuracy, valid_loss, valid_accuracy, probabilities, cost.to_dict()
        )

    def _update_architecture(self, train: Batch, valid: Batch) -> tuple[Tensor, Tensor]:
        """One step of Adam on α; returns loss and accuracy on the validation batch."""
        seen: list[tuple[Tensor, Tensor]] = []

        def loss(output: Any, labels: Tensor) -> Tensor:
            logits, _ = split_output(output)
            value = F.cross_entropy(logits, labels)
            if labels is valid[1]:
                seen.append((value.detach(), _accuracy(logits, labels)))
            return value

        with self._fabric.autocast():
            gradients = self._arch_step.gradient(self._supernet, train, valid, loss, self._sgd)
        for name, gradient in gradients.items():
            self._supernet.alphas[name].grad = gradient
        self._adam.step()
        return seen[0]

    def _update_weights(self, train: Batch) -> tuple[Tensor, Tensor]:
        """One step of SGD on the weights; returns loss and accuracy on the training batch."""
        x, y = train
        weights = self._supernet.weights()
        self._sgd.zero_grad()
        with self._fabric.autocast():
            logits, _ = split_output(self._supernet(x))
            loss = F.cross_entropy(logits, y)
        loss.backward(inputs=weights)
        torch.nn.utils.clip_grad_norm_(weights, self._settings.gradient_clip)
        self._sgd.step()
        return loss.detach(), _accuracy(logits, y)

    def _state(self, curve: list[SearchEpoch], loaders: tuple[Batches, Batches]) -> dict[str, Any]:
        return {
            "supernet": self._supernet.state_dict(),
            "sgd": self._sgd.state_dict(),
            "adam": self._adam.state_dict(),
            "loaders": [loader.state for loader in loaders],
            "random": torch.get_rng_state(),
            "curve": [asdict(epoch) for epoch in curve],
        }

    def _resume(self, checkpoints: Checkpoints | None, loaders: tuple[Batches, Batches]) -> list[SearchEpoch]:
        found = checkpoints.latest() if checkpoints is not None else None
        if found is None:
            return []
        _, state = found
        self._supernet.load_state_dict(state["supernet"])
        self._sgd.load_state_dict(state["sgd"])
        self._adam.load_state_dict(state["adam"])
        for loader, stood in zip(loaders, state["loaders"], strict=True):
            loader.load_state(stood)
        torch.set_rng_state(state["random"])
        return [SearchEpoch(**epoch) for epoch in state["curve"]]


def _channels_last(batch: Batch) -> Batch:
    x, y = batch
    return x.contiguous(memory_format=torch.channels_last), y


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.detach().argmax(dim=1) == labels).float().mean()
