"""The training loop of one plain network: forward, loss, backward, step; with checkpoints at the end of each
epoch.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from nasturtium.core.errors import Diverged, NasturtiumError, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.problem.records import Cost
from nasturtium.training.augment import Augment, Batches
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import place
from nasturtium.training.drop_path import set_drop_path
from nasturtium.training.evaluate import EVALUATION_BATCH, evaluate, split_output
from nasturtium.training.normalise import Normalise
from nasturtium.training.schedule import learning_rate
from nasturtium.training.settings import TrainSettings


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch, the first being 1. Losses are means, accuracies 0–1, training ones over augmented
    images while the weights changed; `learning_rate` is that of the last step; `cost` is this epoch's,
    validation included.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    learning_rate: float
    cost: Cost
    valid_loss: float | None = None
    valid_accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; JSON-able."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**values, "cost": Cost.from_dict(values["cost"])})


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained network: `nn.Sequential(normalise, net)` takes float images, 0–1.

    `curve` has all its epochs, `cost` leaves out those that an earlier part of the training has paid for.
    """

    net: nn.Module
    normalise: Normalise
    curve: tuple[EpochRecord, ...]
    cost: Cost


def fit(
    net: nn.Module,
    train: ImageSet,
    settings: TrainSettings,
    *,
    seed: int,
    fabric: Fabric,
    valid: ImageSet | None = None,
    checkpoints: Checkpoints | None = None,
    before: Checkpoints | None = None,
    epochs: int | None = None,
    on_epoch: Callable[[EpochRecord], bool] | None = None,
    steps_per_epoch: int | None = None,
) -> Fit:
    """Train `net` in place, on `fabric`'s device and in its precision; torch's global generator is untouched.

    With `checkpoints` the state is saved after every epoch, and an interrupted training goes on from there to
    the same weights, bit for bit. `on_epoch` is told every epoch once its checkpoint is safe, and stops the
    training by returning False; on resuming it is told the earlier ones again.

    It ends after `epochs`, by default all of the settings'. Schedules are those of the settings, so that a
    training in parts gives what an uninterrupted one would give: the next part goes on from the checkpoints
    of the part `before` it.

    Raises `Diverged` if the loss or the gradient is no longer finite, `UsageError` if the checkpoint belongs
    to another training, `NasturtiumError` if the part before left none, `StorageError` if a checkpoint can't
    be written.
    """
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed_for(seed, "training"))
        loop = _Loop(net, train, settings, seed, fabric, valid, steps_per_epoch)
        loop.go_on_from(checkpoints, before)
        go_on = all(on_epoch(record) for record in loop.records) if on_epoch else True
        while go_on and len(loop.records) < (epochs or settings.epochs):
            record = loop.epoch()
            if checkpoints:
                checkpoints.save(record.epoch, loop.state())
            go_on = on_epoch is None or on_epoch(record)
    place(net.eval(), fabric.device, torch.contiguous_format)
    cost = sum((record.cost for record in loop.records[loop.paid :]), Cost())
    return Fit(net, loop.normalise, tuple(loop.records), cost)


class _Loop:
    """All that changes while a network is trained."""

    def __init__(
        self,
        net: nn.Module,
        train: ImageSet,
        settings: TrainSettings,
        seed: int,
        fabric: Fabric,
        valid: ImageSet | None,
        steps: int | None,
    ) -> None:
        place(net, fabric.device)
        self.net = net
        self.settings, self.fabric = settings, fabric
        self.train, self.valid = train, valid
        self.normalise = Normalise.measured(train)
        self.records: list[EpochRecord] = []
        self.paid = 0  # how many of them are of the part before
        self.batches = _batches(train, settings, seed, self.normalise, fabric.device, steps)
        self.weights = [p for p in net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.SGD(
            self.weights, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )
        self.identity = {
            "settings": settings.model_dump(),
            "seed": seed,
            "training images": train.fingerprint,
            "steps per epoch": steps,
        }

    def epoch(self) -> EpochRecord:
        """Train for one epoch, then measure on the validation images if there are any."""
        began = time.perf_counter()
        done, steps, settings = len(self.records), len(self.batches), self.settings
        self.net.train()
        set_drop_path(self.net, settings.drop_path * done / settings.epochs)
        loss_sum, hits, seen, rate = 0.0, 0, 0, 0.0
        for step, (x, y) in enumerate(self.batches):
            rate = learning_rate(settings, done * steps + step, steps)
            loss, correct = self._step(x, y, rate, where=f"epoch {done + 1}, step {step + 1} of {steps}")
            loss_sum, hits, seen = loss_sum + loss * len(y), hits + correct, seen + len(y)
        valid, passes = self._validate()
        cost = Cost(
            seconds=time.perf_counter() - began,
            forward=steps + passes,
            backward=steps,
            samples=seen,
            epochs=seen / len(self.train),
        )
        record = EpochRecord(
            done + 1, loss_sum / seen, hits / seen, rate, cost, valid.get("loss"), valid.get("accuracy")
        )
        self.records.append(record)
        return record

    def _step(self, x: Tensor, y: Tensor, rate: float, *, where: str) -> tuple[float, int]:
        """One update of the weights; the loss and the number of correct answers before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self.fabric.autocast():
            logits, auxiliary = split_output(self.net(x))
            loss = self._loss(logits, auxiliary, y)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.weights, self.settings.gradient_clip or math.inf)
        hits = (logits.argmax(1) == y).sum()
        numbers = torch.stack([loss.detach().float(), norm, hits]).tolist()  # waits for the device only once
        if not math.isfinite(numbers[0] + numbers[1]):
            raise Diverged(
                f"the {'gradient' if math.isfinite(numbers[0]) else 'loss'} is no longer finite in {where}, "
                f"at learning rate {rate:.3g}. Lower learning_rate (now {self.settings.learning_rate:g}) or "
                "add warmup_epochs; if checkpoints are kept, the last finished epoch is saved"
            )
        self.optimiser.step()
        return numbers[0], int(numbers[2])

    def _loss(self, logits: Tensor, auxiliary: Tensor | None, y: Tensor) -> Tensor:
        smoothing, weight = self.settings.label_smoothing, self.settings.auxiliary
        loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
        if not weight:
            return loss
        if auxiliary is None:
            raise UsageError(
                f"auxiliary is {weight:g}, but {type(self.net).__name__} returned no auxiliary logits; build "
                "it with an auxiliary head or set auxiliary to 0"
            )
        return loss + weight * F.cross_entropy(auxiliary, y, label_smoothing=smoothing)

    def _validate(self) -> tuple[dict[str, float], int]:
        """Loss and accuracy on the validation images, and the forward passes that took; nothing without
        images.
        """
        if self.valid is None:
            return {}, 0
        figures = evaluate(self.net, self.valid, self.normalise, fabric=self.fabric)
        return figures, math.ceil(len(self.valid) / EVALUATION_BATCH)

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        state = {
            "identity": self.identity,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "batches": self.batches.state,
            "random": torch.get_rng_state(),
            "records": [record.to_dict() for record in self.records],
            "paid": self.paid,
        }
        if self.fabric.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        return state

    def go_on_from(self, own: Checkpoints | None, before: Checkpoints | None) -> None:
        """Take up the newest state of this training's own, else that of the part before it, if any."""
        if own and (found := own.latest()):
            self.load_state(found[1])
        elif before:
            found = before.latest()
            if found is None:
                raise NasturtiumError(
                    f"there is no intact checkpoint in {before.folder}, from which this training was to go"
                    " on. It is not begun anew, because that would cost more than what was asked for"
                )
            self.load_state(found[1])
            self.paid = len(self.records)

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken; `UsageError` if it was another training."""
        for name, now in self.identity.items():
            if state["identity"][name] != now:
                raise UsageError(
                    f"the checkpoint belongs to another training: {name} was {state['identity'][name]}, now "
                    f"{now}. Give this training another folder, or remove the checkpoint"
                )
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.batches.load_state(state["batches"])
        torch.set_rng_state(state["random"])
        if "random_cuda" in state and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.fabric.device)
        self.records = [EpochRecord.from_dict(record) for record in state["records"]]
        self.paid = state.get("paid", 0)  # older checkpoints are of whole trainings


def _batches(
    train: ImageSet,
    settings: TrainSettings,
    seed: int,
    normalise: Normalise,
    device: torch.device,
    steps: int | None,
) -> Batches:
    return Batches(
        train,
        settings.batch_size,
        generator=torch.Generator().manual_seed(seed_for(seed, "batches")),
        augment=Augment(
            crop_padding=settings.padding_for(train.input_shape),
            mirror=settings.mirror,
            cutout=settings.cutout,
        ),
        normalise=normalise,
        device=device,
        steps=steps,
    )
