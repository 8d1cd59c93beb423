"""Peak memory of a search step's activations on the DARTS supernet, method by method.

A step updates the architecture where the method has parameters for it, and the weights. Counted is what torch
allocates above what it held before; the weights and their gradients are there already. Sampled gates are
drawn anew in every step: the largest of several steps counts. The reference is the full mixture, `darts`, as
it is here; `plain` runs every operation of every edge by itself.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from darts_step import PlainSupernet
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.darts import darts

CLASSES = 10
METHODS: dict[str, Callable[[], Relaxation] | None] = {
    "darts": Softmax,
    "plain": Softmax,
    "snas, fbnet": Gumbel,
    "pc-darts (a quarter of the channels)": PartialChannels,
    "gdas": HardGumbel,
    "proxylessnas": Binary,
    "spos": None,
}
TARGETS = {"gdas": 0.25, "proxylessnas": 0.25, "spos": 0.25, "pc-darts (a quarter of the channels)": 0.4}


def peak(step: Callable[[], None]) -> int:
    """The most bytes that `step` holds at once, of those that it allocates."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    assert seen.profiler is not None
    results = seen.profiler.kineto_results
    assert results is not None
    held = most = 0
    for event in sorted((e for e in results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


class Step:
    """Updates of one method."""

    def __init__(
        self, make: Callable[[], Relaxation] | None, options: argparse.Namespace, *, plain: bool = False
    ) -> None:
        shape = (3, options.size, options.size)
        blueprint = darts(shape, CLASSES, channels=options.channels, cells=options.cells)
        self.net: Any = Supernet(blueprint, make() if make else None, seed=0)
        self.single = make is None
        if plain:
            self.net = PlainSupernet(self.net, shape[0], options.channels, options.cells)
        layout = torch.contiguous_format if plain else torch.channels_last
        self.net.to(memory_format=layout).train()
        self.weights = self.net.weights()
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)
        self.sgd = torch.optim.SGD(self.weights, 0.025)
        self.rng = np.random.default_rng(0)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(options.batch, *shape, generator=generator)
        self.batch = (
            x.contiguous(memory_format=torch.channels_last),
            torch.randint(CLASSES, (options.batch,), generator=generator),
        )

    def architecture(self) -> None:
        """The gradient of α."""
        if not self.single:
            FirstOrder().gradient(self.net, self.batch, self.batch, F.cross_entropy, self.sgd)

    def update(self) -> None:
        """The gradient of the weights; of a uniform path where there is no relaxation."""
        x, y = self.batch
        self.sgd.zero_grad(set_to_none=False)
        if self.single:
            self.net.activate(self.net.space.sample(self.rng))
        with self.net.fixed_alphas():
            loss: Tensor = F.cross_entropy(self.net(x), y)
        loss.backward(inputs=self.weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--size", type=int, default=32, help="pixels of an image's side")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="steps of which the largest counts")
    options = parser.parse_args()
    print("| method | update of the architecture, MiB | of the weights, MiB | to darts | target |")
    print("|---|---|---|---|---|")
    reference = 0
    for name, make in METHODS.items():
        step = Step(make, options, plain=name == "plain")
        step.update()  # what is made only once
        peaks = [max(peak(part) for _ in range(options.steps)) for part in (step.architecture, step.update)]
        reference = reference or max(peaks)
        shown = " | ".join(f"{part / 2**20:.0f}" if part else "" for part in peaks)
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        print(f"| {name} | {shown} | {max(peaks) / reference:.2f} | {target} |", flush=True)


if __name__ == "__main__":
    main()
