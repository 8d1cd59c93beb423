"""AutoFormer's three spaces of vision transformers (Chen et al. 2021, https://arxiv.org/abs/2107.00651).

Chosen are width and depth of the network, and for each layer the number of heads and the MLP ratio; queries,
keys and values are 64 times the number of heads wide. Weights are entangled: every layer has one set, of
which smaller choices use the first part. Relative positions are learned next to absolute ones, and the
classifier reads the mean of the patches; the class token only takes part in attention.

Two things are not as published. Images that patches do not divide are padded. The authors' joint layer of
queries, keys and values has its rows interleaved, so that a slice of it holds the same heads of all three;
here they are three layers, which is the same function and search space. The tiny network that the authors
released last has MLP ratios of 3 in some layers, which their tiny space does not offer; `vit` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.base import space
from nasturtium.spaces.vision_transformer import HEAD, Ranges, consecutive, transformer_blueprint

TINY = Ranges((192, 216, 240), (12, 13, 14), (3, 4), (3.5, 4.0), relative=True, pooled=True, eps=1e-5)
SMALL = replace(TINY, widths=(320, 384, 448), heads=(5, 6, 7), ratios=(3.0, 3.5, 4.0))
BASE = replace(SMALL, widths=(528, 576, 624), depths=(14, 15, 16), heads=(8, 9, 10))

AUTOFORMER_SMALL = [
    13,
    *(3.0, 3.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 4.0),
    *(6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7),
    384,
]
AUTOFORMER_BASE = [
    14,
    *(3.5, 3.5, 4.0, 3.5, 4.0, 3.5, 3.5, 3.0, 4.0, 4.0, 3.0, 4.0, 3.0, 3.5),
    *(9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 10, 9, 9, 10),
    576,
]
"""What the authors found, from `AutoFormer/experiments/subnet/` of https://github.com/microsoft/Cream."""

PAPER = "https://arxiv.org/abs/2107.00651"
SUMMARY = "vision transformers: width, depth, heads and MLP ratio per layer"
QUICK = {"patch": 4, "layers": 2, "head": 4}


def _made(
    name: str,
    ranges: Ranges,
    points: Mapping[str, Sequence[int | float]],
    data: tuple[tuple[int, int, int], int],
    sizes: tuple[int, int, int, int],
) -> Blueprint:
    """The space `name` for an input shape and classes; its `points` are known at the published sizes only."""
    patch, layers, head, absolute = sizes
    if sizes != (16, ranges.depths[0], HEAD, 0):
        points = {}
    ranges = replace(ranges, depths=consecutive(layers, 3), head=head, relative=not absolute)
    return transformer_blueprint(name, *data, patch, ranges, points)


@space(
    "autoformer-tiny",
    summary=f"AutoFormer's tiny {SUMMARY}",
    paper=PAPER,
    shape=(3, 224, 224),
    classes=1000,
    small=QUICK,
)
def autoformer_tiny(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    patch: int = 16,
    layers: int = 12,
    head: int = HEAD,
    absolute: int = 0,
) -> Blueprint:
    """Networks of `layers` to `layers` + 2 blocks on patches of `patch`×`patch` pixels.

    `head` is the width of one head, and scales all widths; `absolute` 1 leaves out the relative positions.
    Raises `UsageError` for images smaller than a patch.
    """
    sizes = patch, layers, head, absolute
    return _made("autoformer-tiny", TINY, {}, (input_shape, classes), sizes)


@space(
    "autoformer-small",
    summary=f"AutoFormer's small {SUMMARY}",
    paper=PAPER,
    shape=(3, 224, 224),
    classes=1000,
    small=QUICK,
)
def autoformer_small(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    patch: int = 16,
    layers: int = 12,
    head: int = HEAD,
    absolute: int = 0,
) -> Blueprint:
    """The sizes and errors are those of `autoformer_tiny`."""
    sizes = patch, layers, head, absolute
    return _made(
        "autoformer-small", SMALL, {"AutoFormer-Small": AUTOFORMER_SMALL}, (input_shape, classes), sizes
    )


@space(
    "autoformer-base",
    summary=f"AutoFormer's base {SUMMARY}",
    paper=PAPER,
    shape=(3, 224, 224),
    classes=1000,
    small=QUICK,
)
def autoformer_base(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    patch: int = 16,
    layers: int = 14,
    head: int = HEAD,
    absolute: int = 0,
) -> Blueprint:
    """The sizes and errors are those of `autoformer_tiny`."""
    sizes = patch, layers, head, absolute
    return _made("autoformer-base", BASE, {"AutoFormer-Base": AUTOFORMER_BASE}, (input_shape, classes), sizes)
