"""What every training of a supernet must do: repeat itself, and survive being killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nasturtium.oneshot.supernet import Supernet
from nasturtium.oneshot.training import Training
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet

Begin = Callable[[int], tuple[Supernet, Training]]  # of a seed
Told = Callable[[Any], list]  # everything but the seconds


class Killed(Exception):
    pass


def same_weights(a: Supernet, b: Supernet) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


def check_repetition(begin: Begin, told: Told, train: ImageSet, valid: ImageSet) -> None:
    """The same seed gives the same, another one something else, and torch's random numbers are left alone."""
    (a, first), (b, second), (_, third) = begin(0), begin(0), begin(1)
    before = torch.get_rng_state()
    found = first.run(train, valid)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert told(found) == told(second.run(train, valid))
    assert same_weights(a, b)
    assert told(found) != told(third.run(train, valid))


def check_interruptions(
    begin: Begin,
    told: Told,
    train: ImageSet,
    valid: ImageSet,
    folder: Path,
    *,
    epochs: int,
    steps: int | None,
) -> None:
    """Killed after any epoch and resumed, it ends as if it had never been killed."""
    whole, training = begin(0)
    expected = training.run(train, valid, steps=steps)
    for last in range(1, epochs + 1):
        seen: list[int] = []

        def stop(epoch, seen=seen, last=last):
            seen.append(epoch.epoch)
            if epoch.epoch == last:
                raise Killed

        checkpoints = Checkpoints(folder / str(last), "training")
        with pytest.raises(Killed):
            begin(0)[1].run(train, valid, steps=steps, checkpoints=checkpoints, on_epoch=stop)
        assert seen == list(range(1, last + 1))
        torch.rand(3)
        resumed, training = begin(0)
        again: list[int] = []
        found = training.run(
            train, valid, steps=steps, checkpoints=checkpoints, on_epoch=lambda e, a=again: a.append(e.epoch)
        )
        assert again == list(range(1, epochs + 1))
        assert told(found) == told(expected)
        assert same_weights(resumed, whole)
