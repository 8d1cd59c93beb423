"""The NASNet space (Zoph et al. 2018, https://arxiv.org/abs/1707.07012).

A normal and a reduction cell of five blocks; each block adds two of 13 operations, each on one of the states
before it, and the states that no block uses are concatenated. The paper's controller also chooses how a block
combines its two sides, by adding or by concatenating them; NASNet-A adds everywhere, and so do all here.

The network that the authors released for NASNet-A joins more than loose ends: also the first input of a
normal cell and the second block of a reduction cell, which its blocks do use. That is where the published
names come from (4 @ 1056 is 4 cells a stage and 6·4·44 channels in the end); `as_released` 1 does so too
(genotypes name the loose ends all the same).
"""

from dataclasses import replace
from functools import partial

from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.base import space
from nasturtium.spaces.darts import Genotype
from nasturtium.spaces.pair_network import BOTH, NORMAL, REDUCE, pair_blueprint
from nasturtium.spaces.pair_network import from_genotype as read_genotype

OPERATIONS = (
    "skip_connect",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "dilated_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
RELEASED = (replace(NORMAL, always=(0,)), replace(REDUCE, always=(3,)))


@space(
    "nasnet",
    summary="normal and reduction cell of 5 blocks, two of 13 operations each",
    paper="https://arxiv.org/abs/1707.07012",
    small={"channels": 4, "repeats": 1},
)
def nasnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 32,
    repeats: int = 6,
    imagenet_stem: int = 0,
    as_released: int = 0,
) -> Blueprint:
    """The published size for CIFAR-10 is 6 cells a stage and 32 channels (6 @ 768).

    `imagenet_stem` is the number of channels of the stem for large images, 0 for that of CIFAR: 32 in
    4 @ 1056 (44 channels, 4 cells a stage), 96 in 6 @ 4032 (168 channels). Raises `UsageError` for images
    under 8×8, or 32×32 with that stem, which needs 8 channels at least.
    """
    return pair_blueprint(
        "nasnet",
        input_shape,
        classes,
        OPERATIONS,
        channels=channels,
        repeats=repeats,
        imagenet_stem=imagenet_stem,
        ends=RELEASED if as_released else BOTH,
        found={"NASNet-A": NASNET_A},
    )


from_genotype = partial(read_genotype, ops=OPERATIONS)
"""The architecture of a genotype; raises `UsageError` naming what is wrong (see `pair_network`)."""


NASNET_A = Genotype(
    normal=[
        ("sep_conv_5x5", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 1),
        ("skip_connect", 0),
        ("avg_pool_3x3", 0),
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("skip_connect", 1),
    ],
    normal_concat=[2, 3, 4, 5, 6],
    reduce=[
        ("sep_conv_5x5", 1),
        ("sep_conv_7x7", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_7x7", 0),
        ("avg_pool_3x3", 1),
        ("sep_conv_5x5", 0),
        ("skip_connect", 3),
        ("avg_pool_3x3", 2),
        ("sep_conv_3x3", 2),
        ("max_pool_3x3", 1),
    ],
    reduce_concat=[4, 5, 6],
)
"""The best cells that the authors found."""
