"""AdamW, and step sizes that rise before they fall."""

import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.oneshot.paths import UniformPaths
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.training.schedule import cosine
from path_search_parts import BLUEPRINTS, FABRIC, TRAIN, VALID


class Watching(UniformPaths):
    """Sees the step size of every step."""

    def paths(self, rng, progress):
        self.seen.append(self.loop._optimizer.param_groups[0]["lr"])
        return super().paths(rng, progress)


def step_sizes(**options) -> list[float]:
    supernet = Supernet(BLUEPRINTS["chain"])
    sampler = Watching(supernet.space)
    settings = PathSettings(epochs=4, batch_size=10, learning_rate=0.1, learning_rate_end=0.01, **options)
    sampler.seen, sampler.loop = [], SinglePath(supernet, sampler, settings, fabric=FABRIC, seed=0)
    sampler.loop.run(TRAIN, VALID)
    return sampler.seen


def test_the_step_size_rises_over_the_first_steps_and_falls_by_epochs():
    steps = 4  # of 10 out of 40 images
    falling = [cosine(epoch, 4, 0.1, 0.01) for epoch in range(4) for _ in range(steps)]
    assert step_sizes() == pytest.approx(falling)
    warm = 6  # three eighths of 16
    rising = [(i + 1) / warm for i in range(warm)] + [1.0] * (16 - warm)
    assert step_sizes(warmup=3 / 8) == pytest.approx([a * b for a, b in zip(falling, rising, strict=True)])


def test_a_first_step_of_adamw_is_as_long_for_every_weight():
    supernet = Supernet(BLUEPRINTS["chain"], seed=1)
    before = [w.detach().clone() for w in supernet.weights()]
    settings = PathSettings(
        epochs=1,
        batch_size=20,
        optimizer="adamw",
        learning_rate=0.01,
        learning_rate_end=0.01,
        weight_decay=0.5,
    )
    loop = SinglePath(supernet, UniformPaths(supernet.space), settings, fabric=FABRIC, seed=0)
    loop.run(TRAIN, VALID, steps=1)
    used = [(a, b.detach()) for a, b in zip(before, supernet.weights(), strict=True) if b.grad is not None]
    assert 0 < len(used) < len(before)
    for a, b in used:
        step = (a * (1 - 0.01 * 0.5) - b).abs()  # decoupled decay, then m/√v = ±1
        assert step.max() < 0.01 * 1.001
        assert step.median() == pytest.approx(0.01, rel=0.01) or a.numel() <= 4  # tiny gradients: biases


def test_other_optimisers_are_refused():
    with pytest.raises(UsageError, match="optimizer = 'adam'.*SGD with momentum, or AdamW"):
        PathSettings.parse({"optimizer": "adam"})


def test_adamw_trains_on_after_a_kill(tmp_path):
    from nasturtium.training.checkpoint import Checkpoints

    def train(checkpoints=None, on_epoch=lambda _: None):
        supernet = Supernet(BLUEPRINTS["elastic"], seed=1)
        settings = PathSettings(epochs=3, batch_size=10, optimizer="adamw", warmup=0.5)
        loop = SinglePath(supernet, UniformPaths(supernet.space), settings, fabric=FABRIC, seed=0)
        loop.run(TRAIN, VALID, checkpoints=checkpoints, on_epoch=on_epoch)
        return supernet.state_dict()

    def stop(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    whole, checkpoints = train(), Checkpoints(tmp_path, "supernet")
    with pytest.raises(KeyboardInterrupt):
        train(checkpoints, stop)
    resumed = train(checkpoints)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
