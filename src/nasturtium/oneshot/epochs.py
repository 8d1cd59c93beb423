"""What every training of a supernet shares: its settings, its batches, and epochs that survive a kill."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import torch
from pydantic import Field
from torch import Tensor

from nasturtium.core.settings import Settings
from nasturtium.oneshot.parallel import leads, own_part, wait
from nasturtium.problem.records import SearchEpoch
from nasturtium.training.augment import Augment, Batches
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise

OnEpoch = Callable[[SearchEpoch], None]


class WeightSettings(Settings):
    """How shared weights are trained: by SGD, whose step size falls as a cosine to the last epoch."""

    what = "search settings"

    epochs: int = Field(50, ge=1, description="passes over the search-train split")
    batch_size: int = Field(64, ge=2, description="images in a step, of all processes together")
    learning_rate: float = Field(0.025, gt=0, le=10, description="first step size of the weights")
    learning_rate_end: float = Field(0.001, ge=0, le=10, description="step size at the end of the cosine")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of the weights' SGD")
    weight_decay: float = Field(3e-4, ge=0, le=1, description="L2 penalty on the weights")
    gradient_clip: float = Field(5.0, gt=0, description="highest L2 norm of the weights' gradient")
    crop_padding: int = Field(0, ge=0, description="pixels an image may be shifted by")
    mirror: bool = Field(False, description="whether images are mirrored half of the time")


class Loop(Protocol):
    """A training that goes epoch by epoch."""

    def epoch(self, number: int) -> SearchEpoch:
        """The next epoch, the first being 1."""

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, but for torch's own random numbers."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""


def run_epochs(
    loop: Loop,
    epochs: int,
    *,
    seed: int,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda _: None,
    enough: Callable[[list[SearchEpoch]], bool] = lambda _: False,
) -> list[SearchEpoch]:
    """All epochs of `loop`, or those until there are `enough`.

    Each is told to `on_epoch` after its checkpoint is safe; on resuming the earlier ones are told again.
    torch's random numbers start from `seed` and are as before afterwards.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        curve = _resume(loop, checkpoints)
        for epoch in curve:
            on_epoch(epoch)
        while len(curve) < epochs and not enough(curve):
            curve.append(loop.epoch(len(curve) + 1))
            if checkpoints is not None:
                records = [asdict(epoch) for epoch in curve]
                own = {"random": torch.get_rng_state(), "curve": records}
                if leads():
                    checkpoints.save(len(curve), {**loop.state(), **own})
                wait()
            on_epoch(curve[-1])
    return curve


def _resume(loop: Loop, checkpoints: Checkpoints | None) -> list[SearchEpoch]:
    found = checkpoints.latest() if checkpoints is not None else None
    if found is None:
        return []
    _, state = found
    loop.load_state(state)
    torch.set_rng_state(state["random"])
    return [SearchEpoch(**epoch) for epoch in state["curve"]]


def batches(
    images: ImageSet,
    settings: WeightSettings,
    *,
    normalise: Normalise,
    seed: int,
    device: torch.device,
    steps: int | None,
) -> Batches:
    """Shuffled and augmented batches of `images`, `steps` to an epoch (None: one pass)."""
    return Batches(
        images,
        settings.batch_size,
        generator=torch.Generator().manual_seed(seed),
        augment=Augment(crop_padding=settings.crop_padding, mirror=settings.mirror),
        normalise=normalise,
        device=device,
        steps=steps,
    )


def prepared(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """This process's part of a batch, in the memory layout in which small convolutions are fastest on a
    CPU.
    """
    x, y = own_part(batch)
    return x.contiguous(memory_format=torch.channels_last), y


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers, as a scalar without gradient."""
    return (logits.detach().argmax(dim=1) == labels).float().mean()
