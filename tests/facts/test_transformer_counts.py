"""Published figures of transformers.

Parameters: timm for DeiT, the paper of AutoFormer (in millions) for its searched networks, whose layers are
those of the authors' configuration files, and the released weights of GPT-2 small. Multiply-adds: torchvision
for `vit_b_16`, which has the structure of DeiT-Base.
"""

import pytest
import torch

from nasturtium.hardware.meters import count_flops, count_parameters
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
    blueprint = vit(IMAGES, 1000)
    assert parameters(blueprint, width, [heads] * 12, [4.0] * 12) == published
    point = blueprint.points[f"DeiT-{name.split('_')[1].title()}"]
    assert point == from_list([12, *[4.0] * 12, *[heads] * 12, width])


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
    ("space", "point", "millions"),
    [(autoformer_small, "AutoFormer-Small", "22.9"), (autoformer_base, "AutoFormer-Base", "53.7")],
)
def test_searched_autoformers_have_their_published_parameters(space, point, millions):
    blueprint = space(IMAGES, 1000)
    with torch.device("meta"):
        net = blueprint.build(blueprint.points[point], seed=0)
    assert f"{count_parameters(net) / 1e6:.1f}" == millions


def test_the_tiny_autoformer_of_the_paper_has_its_published_parameters():
    """Later the authors released another, 13 deep, with MLP ratios that are not in their tiny space."""
    ratios = [4.0, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0]
    heads = [3, 3, 4, 3, 3, 3, 3, 3, 3, 4, 3, 3]
    assert f"{parameters(autoformer_tiny(IMAGES, 1000), 192, heads, ratios) / 1e6:.1f}" == "5.7"


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
    blueprint = language_model((1024,), 50_257)
    with torch.device("meta"):
        net = blueprint.build(blueprint.points["GPT-2 small"], seed=0)
    assert count_parameters(net) == 124_439_808
