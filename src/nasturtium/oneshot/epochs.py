"""What every training of a supernet shares: epochs that survive a kill, and what is seen in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import Diverged
from nasturtium.oneshot.parallel import average, leads, wait
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.evaluate import split_output

LOOK_EVERY = 10  # steps between two looks at a search-valid batch that teaches nothing

OnEpoch = Callable[[SearchEpoch], None]


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
    enough: Callable[[Sequence[SearchEpoch]], bool] = lambda _: False,
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


def cost_of(curve: Sequence[SearchEpoch]) -> Cost:
    """What all epochs cost together."""
    return sum((Cost.from_dict(epoch.cost) for epoch in curve), Cost())


def look(net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy and accuracy (0–1) of a batch from which nothing is learned, as two numbers."""
    with torch.no_grad():
        logits, _ = split_output(net(x))
        return torch.stack([F.cross_entropy(logits, labels), accuracy(logits, labels)])


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers, as a scalar without gradient."""
    return (logits.detach().argmax(dim=1) == labels).float().mean()


def refuse_infinite(seen: Mapping[str, Tensor], epoch: int, step_sizes: Mapping[str, float]) -> None:
    """Raise `Diverged`, in all processes together, if one of the pairs of loss and accuracy is not finite.

    `seen` has them by split, `step_sizes` the settings that may have been too large.
    """
    average(seen.values())
    if not torch.isfinite(torch.stack(list(seen.values()))).all():
        losses = ", ".join(f"{pair[0]:g} ({split})" for split, pair in seen.items())
        lower = " or ".join(f"{name} (now {size:g})" for name, size in step_sizes.items())
        raise Diverged(
            f"the loss of the supernet became {losses} in epoch {epoch}; lower {lower}. The state after the"
            " last whole epoch is saved."
        )
