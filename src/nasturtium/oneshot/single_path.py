"""Training the shared weights of a supernet along single paths."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import Diverged
from nasturtium.core.seeds import seed_for
from nasturtium.oneshot.arch_step import Batch
from nasturtium.oneshot.calibrate import batch_statistics
from nasturtium.oneshot.distil import Distillation, probabilities
from nasturtium.oneshot.epochs import OnEpoch, WeightSettings, accuracy, batches, prepared, run_epochs
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.paths import PathSampler, Score
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import split_output
from nasturtium.training.normalise import Normalise
from nasturtium.training.schedule import cosine

LOOK_EVERY = 10  # steps between two looks at a search-valid batch that teaches nothing


class PathSettings(WeightSettings):
    """Step size and weight decay are those of Guo et al. 2020 (0.5 for batches of 1024 images of ImageNet),
    the step size scaled to the batch; the number of epochs comes from the budget.
    """

    learning_rate: float = Field(0.03, gt=0, le=10, description="first step size of the weights")
    weight_decay: float = Field(4e-5, ge=0, le=1, description="L2 penalty on the weights")
    optimizer: Literal["sgd", "adamw"] = Field(
        "sgd", description="what updates the weights: SGD with momentum, or AdamW"
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="part of the training in which the step size first rises linearly"
    )


@dataclass(frozen=True)
class Trained:
    """What the training of a supernet leaves behind, besides its weights."""

    curve: tuple[SearchEpoch, ...]
    cost: Cost


class SinglePath:
    """Per step the paths of `sampler`, one after the other; their summed gradients make one update of the
    weights.

    `supernet` may already be trained: phases follow each other by training one supernet with one sampler
    after the other, say over ever larger parts of its space, each phase with a `seed` and checkpoints of its
    own. With `distil`, paths learn from soft labels. Same seed, same machine: same result, also when
    interrupted and resumed from `checkpoints`.
    """

    def __init__(
        self,
        supernet: Supernet,
        sampler: PathSampler,
        settings: PathSettings,
        *,
        fabric: Fabric,
        seed: int,
        distil: Distillation | None = None,
    ) -> None:
        self._supernet = supernet.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sampler = sampler
        self._settings = settings
        self._fabric = fabric
        self._seed = seed
        self._distil = distil
        if distil is not None and distil.teacher is not None:
            distil.teacher.to(fabric.device)
        self._rng = np.random.default_rng(seed_for(seed, "paths"))
        self._optimizer = _optimizer(supernet.weights(), settings)

    def run(
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        steps: int | None = None,
        checkpoints: Checkpoints | None = None,
        on_epoch: OnEpoch = lambda _: None,
    ) -> Trained:
        """Train for the settings' number of epochs, of `steps` steps each (None: one pass over `train`).

        `on_epoch` is told every epoch, after its checkpoint is safe; on resuming the earlier ones are told
        again. Raises `Diverged` if a loss is not finite.
        """
        self._images = len(train)
        normalise = Normalise.measured(train)
        self._train, self._valid = (
            batches(
                images,
                self._settings,
                normalise=normalise,
                seed=seed_for(self._seed, "single path", name),
                device=self._fabric.device,
                steps=number,
            )
            for name, images, number in (("train", train, steps), ("valid", valid, 1))
        )
        curve = run_epochs(
            self,
            self._settings.epochs,
            seed=seed_for(self._seed, "single path"),
            checkpoints=checkpoints,
            on_epoch=on_epoch,
        )
        self._supernet.activate(None)
        return Trained(tuple(curve), sum((Cost.from_dict(epoch.cost) for epoch in curve), Cost()))

    def epoch(self, number: int) -> SearchEpoch:
        """One epoch; raises `Diverged`."""
        settings, began = self._settings, perf_counter()
        progress = (number - 1) / max(settings.epochs - 1, 1)
        self._supernet.train()
        self._cost, trained, looked = Cost(), [], []
        for step, batch in enumerate(map(prepared, self._train)):
            self._optimizer.param_groups[0]["lr"] = self._step_size(number, step)
            paths = self._sampler.paths(self._rng, progress)
            trained.append(self._update(paths, batch))
            average([trained[-1]])  # so that all processes stop together
            if not torch.isfinite(trained[-1]).all():
                raise Diverged(
                    f"the loss of the supernet became {trained[-1][0]:g} in epoch {number}; lower"
                    f" learning_rate (now {settings.learning_rate:g}). The state after the last whole epoch"
                    " is saved."
                )
            if step % LOOK_EVERY == 0:
                looked += self._scores(paths[-1:])
        self._supernet.average_statistics()
        self._sampler.learn(self._scores, self._rng, progress)
        train_loss, train_accuracy = torch.stack(trained).mean(dim=0).tolist()
        valid_loss, valid_accuracy = torch.tensor(looked).mean(dim=0).tolist()
        cost = self._cost + Cost(seconds=perf_counter() - began)
        return SearchEpoch(number, train_loss, train_accuracy, valid_loss, valid_accuracy, {}, cost.to_dict())

    def _step_size(self, epoch: int, step: int) -> float:
        """A cosine by epochs; during the warm-up the share of it that the steps so far are of the warm-up."""
        settings, length = self._settings, len(self._train)
        rate = cosine(epoch - 1, settings.epochs, settings.learning_rate, settings.learning_rate_end)
        warmup = settings.warmup * settings.epochs * length
        done = (epoch - 1) * length + step + 1
        return rate * done / warmup if done < warmup else rate

    def _update(self, paths: Sequence[Architecture], batch: Batch) -> Tensor:
        """One step by the summed gradients of `paths`; the mean of their losses (with the labels) and
        accuracies.
        """
        x, y = batch
        self._optimizer.zero_grad()
        with self._fabric.autocast():
            soft = self._distil.soft_labels(x) if self._distil else None
        taught = soft is not None
        seen = []
        for arch in paths:
            self._supernet.activate(arch)
            with self._fabric.autocast():
                logits, _ = split_output(self._supernet(x))
                labels = F.cross_entropy(logits, y)
                loss = labels if soft is None or self._distil is None else self._distil.loss(logits, y, soft)
            loss.backward()
            seen.append(torch.stack([labels.detach(), accuracy(logits, y)]))
            if soft is None and self._distil is not None:
                soft = probabilities(logits)
        average(w.grad for w in self._supernet.weights() if w.grad is not None)
        torch.nn.utils.clip_grad_norm_(self._supernet.weights(), self._settings.gradient_clip)
        self._optimizer.step()
        self._cost += Cost(
            forward=len(paths) + taught,
            backward=len(paths),
            samples=len(paths) * len(y),
            epochs=len(y) / self._images,
        )
        return torch.stack(seen).mean(dim=0)

    def _scores(self, paths: Sequence[Architecture]) -> list[Score]:
        """Of each path on the next validation batch, from which nothing is learned."""
        x, y = prepared(next(iter(self._valid)))
        found = []
        with torch.no_grad(), batch_statistics(self._supernet), self._fabric.autocast():
            for arch in paths:
                self._supernet.activate(arch)
                logits, _ = split_output(self._supernet(x))
                found.append(torch.stack([F.cross_entropy(logits, y), accuracy(logits, y)]))
        average(found)
        self._cost += Cost(forward=len(paths))
        return [Score(*score.tolist()) for score in found]

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "supernet": self._supernet.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "loaders": [self._train.state, self._valid.state],
            "sampler": self._sampler.state(),
            "paths": json.dumps(self._rng.bit_generator.state),  # its integers have 128 bits
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._supernet.load_state_dict(state["supernet"])
        self._optimizer.load_state_dict(state["optimizer"])
        for loader, stood in zip((self._train, self._valid), state["loaders"], strict=True):
            loader.load_state(stood)
        self._sampler.load_state(state["sampler"])
        self._rng.bit_generator.state = json.loads(state["paths"])


def _optimizer(weights: list[nn.Parameter], settings: PathSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        weights, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )
