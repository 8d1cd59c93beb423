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
from nasturtium.spaces.base import SpaceFactory, space
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


def _register(name: str, ranges: Ranges, found: Mapping[str, Sequence[int | float]]) -> SpaceFactory:
    """Enter one of the three spaces, which differ in their ranges and in what was `found` in them."""

    @space(
        name,
        summary=f"AutoFormer's {name.rpartition('-')[2]} vision transformers: width, depth, heads and MLP"
        " ratio per layer",
        paper="https://arxiv.org/abs/2107.00651",
        shape=(3, 224, 224),
        classes=1000,
        small={"patch": 4, "layers": 2, "head": 4},
    )
    def autoformer(
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        patch: int = 16,
        layers: int = ranges.depths[0],
        head: int = HEAD,
        absolute: int = 0,
    ) -> Blueprint:
        """Networks of `layers` to `layers` + 2 blocks on patches of `patch`×`patch` pixels.

        `head` is the width of one head, and scales all widths; `absolute` 1 leaves out the relative
        positions. Raises `UsageError` for images smaller than a patch.
        """
        published = (patch, layers, head, absolute) == (16, ranges.depths[0], HEAD, 0)
        chosen = replace(ranges, depths=consecutive(layers, 3), head=head, relative=not absolute)
        return transformer_blueprint(
            name, input_shape, classes, patch, chosen, points=found if published else {}
        )

    return autoformer


autoformer_tiny = _register("autoformer-tiny", TINY, {})
autoformer_small = _register("autoformer-small", SMALL, {"AutoFormer-Small": AUTOFORMER_SMALL})
autoformer_base = _register("autoformer-base", BASE, {"AutoFormer-Base": AUTOFORMER_BASE})
