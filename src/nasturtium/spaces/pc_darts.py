"""The DARTS space with the networks of PC-DARTS (Xu et al. 2020, https://arxiv.org/abs/1907.05737).

PC-DARTS changed how cells are searched (on a part of the channels, with weights on edges), not what is
searched: cells, operations and networks are those of DARTS, and so are the sizes: 16 channels and 8 cells to
search, 36 channels and 20 cells for CIFAR-10, 48 channels and 14 cells for ImageNet. Here are its cells.
"""

from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.base import space
from nasturtium.spaces.darts import JOINED, Genotype, darts_blueprint


@space(
    "pc-darts",
    summary="the cells of DARTS, with those that PC-DARTS found on CIFAR-10 and on ImageNet",
    paper="https://arxiv.org/abs/1907.05737",
    small={"channels": 4, "cells": 3},
)
def pc_darts(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 16,
    cells: int = 8,
    auxiliary: int = 0,
    imagenet: int = 0,
) -> Blueprint:
    """The sizes mean what they mean in the space `darts`.

    Raises `UsageError` for images under 8×8, fewer than 3 cells, or 1 channel with `imagenet`.
    """
    return darts_blueprint(
        "pc-darts",
        input_shape,
        classes,
        channels=channels,
        cells=cells,
        auxiliary=auxiliary,
        imagenet=imagenet,
        found={"PC-DARTS (CIFAR-10)": PC_DARTS_CIFAR, "PC-DARTS (ImageNet)": PC_DARTS_IMAGENET},
    )


PC_DARTS_CIFAR = Genotype(
    normal=[
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("sep_conv_3x3", 0),
        ("dil_conv_3x3", 1),
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 1),
        ("avg_pool_3x3", 0),
        ("dil_conv_3x3", 1),
    ],
    normal_concat=JOINED,
    reduce=[
        ("sep_conv_5x5", 1),
        ("max_pool_3x3", 0),
        ("sep_conv_5x5", 1),
        ("sep_conv_5x5", 2),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 3),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 2),
    ],
    reduce_concat=JOINED,
)
"""The cells that the authors found on CIFAR-10."""

PC_DARTS_IMAGENET = Genotype(
    normal=[
        ("skip_connect", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 0),
        ("skip_connect", 1),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 3),
        ("sep_conv_3x3", 1),
        ("dil_conv_5x5", 4),
    ],
    normal_concat=JOINED,
    reduce=[
        ("sep_conv_3x3", 0),
        ("skip_connect", 1),
        ("dil_conv_5x5", 2),
        ("max_pool_3x3", 1),
        ("sep_conv_3x3", 2),
        ("sep_conv_3x3", 1),
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 3),
    ],
    reduce_concat=JOINED,
)
"""The cells that the authors found on ImageNet."""
