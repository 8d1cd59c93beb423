"""Networks that grow from a small one without bound by moves that keep their function.

Net2Net (Chen et al. 2016, https://arxiv.org/abs/1511.05641) widens and deepens; network morphisms (Wei et al.
2016, https://arxiv.org/abs/1603.01670) also grow kernels and skip; Elsken et al. 2017
(https://arxiv.org/abs/1711.04528) climb from a small network with them, as this space allows:

    net = blueprint.build(arch, seed=0)             # and train it
    for move in blueprint.space.moves(arch):        # moves are in nasturtium.space.moves
        larger, larger_arch = grow(net, move)       # computes what `net` computes; train it on

Here BatchNorm stands between convolution and ReLU, a skip connection is added with a learned scale per
channel instead of a convex combination, branches are added up, and a random architecture, which those papers
don't need, is a random walk of up to `steps` moves from the base network.

The base network has one block of kernel 3 in each stage. `growing(net, …)` is the space of what can grow from
another one: any network of the space, or `from_sequential(…)` of somebody's own.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import current
from nasturtium.modules.example import random_images
from nasturtium.modules.growth.growing_network import GrowingNetwork, require_growing
from nasturtium.space.architecture import Architecture
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.structure import Block, Structure, structure_of, without_settings
from nasturtium.spaces.base import require_image, space

STEPS = 10
NO_SUPERNET = (
    "an unbounded space has no network that holds all its candidates, so weights can't be shared; train a"
    " network and let larger ones inherit its weights with nasturtium.grow, or use a method that trains each"
    " architecture, such as random"
)


@space(
    "network-morphism",
    summary="networks that grow without bound: deepen, widen, larger kernels, skips, branches",
    paper="https://arxiv.org/abs/1711.04528",
    small={"channels": 4, "stages": 2, "steps": 5},
)
def network_morphism(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 16,
    stages: int = 3,
    steps: int = STEPS,
) -> Blueprint:
    """The base network has `channels` in its first stage and twice as many in each that follows.

    Raises `UsageError` for images that poolings between the stages would leave without a pixel.
    """
    require_image("network-morphism", input_shape, least=max(2, 2 ** (stages - 1)))
    base = Structure(tuple((Block(channels * 2**stage),) for stage in range(stages)))

    def pools() -> list[nn.Module]:
        return [*(nn.MaxPool2d(2) for _ in range(stages - 1)), nn.Identity()]

    return _blueprint(input_shape, classes, base, pools, steps)


def growing(net: GrowingNetwork, input_shape: tuple[int, int, int], *, steps: int = STEPS) -> Blueprint:
    """The space of networks that grow from `net`, whose own weights only `grow` takes over.

    Raises `UsageError` if `net` can't grow.
    """
    require_growing("growing", net)

    def pools() -> list[nn.Module]:
        return [deepcopy(pool) for pool in net.pools]

    return _blueprint(input_shape, net.classifier.out_features, net.structure(), pools, steps)


def _blueprint(
    input_shape: tuple[int, int, int],
    classes: int,
    base: Structure,
    pools: Callable[[], Sequence[nn.Module]],
    steps: int,
) -> Blueprint:
    def make() -> nn.Module:
        arch = current().arch
        if arch is None:
            raise UsageError(NO_SUPERNET)
        structure = structure_of(without_settings(arch), len(base.stages))
        return GrowingNetwork(input_shape[0], classes, structure, pools)

    space = GrowingSpace(Architecture(base.values()), steps=steps)
    return Blueprint(make, space=space, example=random_images(input_shape))
