"""The AmoebaNet space (Real et al. 2019, https://arxiv.org/abs/1802.01548).

NASNet's cells of five blocks with eight operations. Blocks add, and what no block uses is concatenated. The
code that the authors released for ImageNet joins more states than that, squeezes the 1×7 and 7×1 convolutions
and has BatchNorms without scale; what is here follows the paper.
"""

from functools import partial

from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.base import space
from nasturtium.spaces.darts import Genotype
from nasturtium.spaces.pair_network import from_genotype as read_genotype
from nasturtium.spaces.pair_network import pair_blueprint

OPERATIONS = (
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)


@space(
    "amoebanet",
    summary="normal and reduction cell of 5 blocks, two of 8 operations each",
    paper="https://arxiv.org/abs/1802.01548",
    small={"channels": 4, "repeats": 1},
)
def amoebanet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 36,
    repeats: int = 6,
    imagenet_stem: int = 0,
) -> Blueprint:
    """The published size for CIFAR-10 is 6 cells a stage and 36 channels (N=6, F=36).

    `imagenet_stem` is the number of channels of the stem for large images, 0 for that of CIFAR. Raises
    `UsageError` for images under 8×8, or 32×32 with that stem, which needs 8 channels at least.
    """
    return pair_blueprint(
        "amoebanet",
        input_shape,
        classes,
        OPERATIONS,
        channels=channels,
        repeats=repeats,
        imagenet_stem=imagenet_stem,
        found={"AmoebaNet-A": AMOEBANET_A},
    )


from_genotype = partial(read_genotype, ops=OPERATIONS)
"""The architecture of a genotype; raises `UsageError` naming what is wrong (see `pair_network`)."""


AMOEBANET_A = Genotype(
    normal=[
        ("avg_pool_3x3", 1),
        ("max_pool_3x3", 1),
        ("sep_conv_3x3", 0),
        ("skip_connect", 0),
        ("skip_connect", 1),
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_5x5", 2),
        ("avg_pool_3x3", 5),
        ("sep_conv_3x3", 1),
    ],
    normal_concat=[3, 4, 6],
    reduce=[
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 1),
        ("max_pool_3x3", 1),
        ("sep_conv_7x7", 2),
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_3x3", 4),
        ("conv_7x1_1x7", 1),
        ("avg_pool_3x3", 0),
        ("sep_conv_7x7", 1),
    ],
    reduce_concat=[3, 5, 6],
)
"""The cells that the authors found, as the code that they released has them (which counts the inputs the
other way round). The genotype that goes by this name elsewhere takes the two inputs for each other, and the
max pooling of its normal cell from the other one.
"""
