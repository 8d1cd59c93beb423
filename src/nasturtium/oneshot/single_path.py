"""Training the shared weights of a supernet along single paths."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.seeds import seed_for
from nasturtium.oneshot.arch_step import Batch
from nasturtium.oneshot.calibrate import batch_statistics
from nasturtium.oneshot.distil import Distillation, probabilities
from nasturtium.oneshot.epochs import (
    LOOK_EVERY,
    accuracy,
    cost_of,
    look,
    refuse_infinite,
)
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.paths import PathSampler, Score
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.oneshot.training import Training
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.training.evaluate import split_output


@dataclass(frozen=True)
class Trained:
    """What the training of a supernet leaves behind, besides its weights."""

    curve: tuple[SearchEpoch, ...]
    cost: Cost


class SinglePath(Training[PathSettings, Trained]):
    """Per step the paths of `sampler`, one after the other; their summed gradients make one update of the
    weights.

    `supernet` may already be trained: phases follow each other by training one supernet with one sampler
    after the other, say over ever larger parts of its space, each phase with a `seed` and checkpoints of its
    own. With `distil`, paths learn from soft labels.
    """

    name = "single path"
    valid_steps = 1  # taken one by one, when something is scored

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
        super().__init__(supernet, settings, fabric=fabric, seed=seed)
        self._sampler = sampler
        self._distil = distil
        if distil is not None and distil.teacher is not None:
            distil.teacher.to(fabric.device)
        self._rng = np.random.default_rng(seed_for(seed, "paths"))
        self._optimizer = _optimizer(self._weights, settings)

    def outcome(self, curve: Sequence[SearchEpoch]) -> Trained:
        """The curve; no path is active any more."""
        self._supernet.activate(None)
        return Trained(tuple(curve), cost_of(curve))

    def epoch(self, number: int) -> SearchEpoch:
        """One epoch; raises `Diverged`."""
        began, progress = perf_counter(), self._settings.progress(number)
        self._supernet.train()
        self._cost, trained, looked = Cost(), [], []
        for step, batch in enumerate(self._feed.train()):
            self._optimizer.param_groups[0]["lr"] = self._step_size(number, step)
            paths = self._sampler.paths(self._rng, progress)
            trained.append(self._update(paths, batch))
            refuse_infinite({"train": trained[-1]}, number, {"learning_rate": self._settings.learning_rate})
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
        rate, length = self._settings.step_size(epoch), self._feed.steps
        warmup = self._settings.warmup * self._settings.epochs * length
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
        average(w.grad for w in self._weights if w.grad is not None)
        torch.nn.utils.clip_grad_norm_(self._weights, self._settings.gradient_clip)
        self._optimizer.step()
        self._cost += Cost(
            forward=len(paths) + taught,
            backward=len(paths),
            samples=len(paths) * len(y),
            epochs=len(y) / self._feed.images,
        )
        return torch.stack(seen).mean(dim=0)

    def _scores(self, paths: Sequence[Architecture]) -> list[Score]:
        """Of each path on the next validation batch, from which nothing is learned."""
        batch, found = next(self._feed.valid()), []
        with batch_statistics(self._supernet), self._fabric.autocast():
            for arch in paths:
                self._supernet.activate(arch)
                found.append(look(self._supernet, *batch))
        average(found)
        self._cost += Cost(forward=len(paths))
        return [Score(*score.tolist()) for score in found]

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            **super().state(),
            "optimizer": self._optimizer.state_dict(),
            "sampler": self._sampler.state(),
            "paths": json.dumps(self._rng.bit_generator.state),  # its integers have 128 bits
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        super().load_state(state)
        self._optimizer.load_state_dict(state["optimizer"])
        self._sampler.load_state(state["sampler"])
        self._rng.bit_generator.state = json.loads(state["paths"])


def _optimizer(weights: list[nn.Parameter], settings: PathSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        weights, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )
