"""Published figures of transformers.

Parameters: timm for DeiT, the paper of AutoFormer (in millions) for its searched networks, whose layers are
those of the authors' configuration files, and the released weights of GPT-2 small. Multiply-adds: torchvision
for `vit_b_16`, which has the structure of DeiT-Base.
"""

import pytest
import torch

from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.autoformer import autoformer_base, autoformer_small, autoformer_tiny
from nasturtium.spaces.language_model import language_model
from nasturtium.spaces.vision_transformer import from_list, vit

IMAGES = (3, 224, 224)


def parameters(blueprint, width, heads, ratios):
    with torch.device("meta"):
        net = blueprint.build(from_list([len(heads), *ratios, *heads, width]), seed=0)
    return count_parameters(net)


DEIT = {
    "deit_tiny_patch16_224": (192, 3, 5_717_416),
    "deit_small_patch16_224": (384, 6, 22_050_664),
    "deit_base_patch16_224": (768, 12, 86_567_656),
}


@pytest.mark.parametrize("name", DEIT)
def test_deit_is_a_point_of_the_vit_space(name):
    width, heads, published = DEIT[name]
    assert parameters(vit(IMAGES, 1000), width, [heads] * 12, [4.0] * 12) == published


@pytest.mark.parametrize("name", DEIT)
def test_multiply_adds_of_deit_are_those_of_its_formula(name):
    """196 patches of 16·16·3 numbers; 197 positions, which 12 layers project 4 times for attention, 8 for the
    MLP, and multiply with each other twice.
    """
    width, heads, _ = DEIT[name]
    patches, layer = 196 * 768 * width, 197 * 12 * width**2 + 2 * 197**2 * width
    with torch.device("meta"):
        net = vit(IMAGES, 1000).build(from_list([12, *[4.0] * 12, *[heads] * 12, width]), seed=0)
        counted = count_flops(net, torch.empty(1, *IMAGES))
    assert counted == patches + 12 * layer + width * 1000
    if width == 768:
        assert f"{counted / 1e9:.3f}" == "17.564"


@pytest.mark.parametrize(
    ("space", "name"),
    [(autoformer_tiny, "deit_tiny_patch16_224"), (autoformer_small, "deit_small_patch16_224")],
)
def test_deit_without_relative_positions_is_in_the_autoformer_spaces(space, name):
    width, heads, published = DEIT[name]
    assert parameters(space(IMAGES, 1000, absolute=1), width, [heads] * 12, [4.0] * 12) == published


@pytest.mark.parametrize(
    ("space", "width", "heads", "ratios", "millions"),
    [
        (
            autoformer_tiny,
            192,
            [3, 3, 4, 3, 3, 3, 3, 3, 3, 4, 3, 3],
            [4.0, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0],
            "5.7",
        ),
        (
            autoformer_small,
            384,
            [6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7],
            [3.0, 3.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 4.0],
            "22.9",
        ),
        (
            autoformer_base,
            576,
            [9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 10, 9, 9, 10],
            [3.5, 3.5, 4.0, 3.5, 4.0, 3.5, 3.5, 3.0, 4.0, 4.0, 3.0, 4.0, 3.0, 3.5],
            "53.7",
        ),
    ],
    ids=["tiny", "small", "base"],
)
def test_searched_autoformers_have_their_published_parameters(space, width, heads, ratios, millions):
    assert f"{parameters(space(IMAGES, 1000), width, heads, ratios) / 1e6:.1f}" == millions


@pytest.mark.parametrize(
    ("space", "widths", "per_layer", "depths"),
    [
        (autoformer_tiny, 3, 2 * 2, (12, 13, 14)),
        (autoformer_small, 3, 3 * 3, (12, 13, 14)),
        (autoformer_base, 3, 3 * 3, (14, 15, 16)),
    ],
)
def test_the_spaces_have_the_size_of_their_published_ranges(space, widths, per_layer, depths):
    assert space(IMAGES, 1000).space.size() == widths * sum(per_layer**depth for depth in depths)


def test_gpt2_small_is_a_point_of_the_language_model_space():
    layer = {"heads": 12, "ratio": 4, "attention": "full", "conv": "none", "unit": "gelu", "before": "none"}
    values = {f"layer{i}/{what}": value for i in range(1, 13) for what, value in layer.items()}
    arch = Architecture({"network/width": 768, "network/depth": 12} | values)
    with torch.device("meta"):
        net = language_model((1024,), 50_257).build(arch, seed=0)
    assert count_parameters(net) == 124_439_808
