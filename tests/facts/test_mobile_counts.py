"""Published figures of the mobile spaces.

Parameters of EfficientNets, MobileNetV3, MnasNet and FBNet-C are those of timm 1.0 (efficientnet_b0 …,
mobilenetv3_large_100, mobilenetv3_small_100, mnasnet_100, semnasnet_100, fbnetc_100), those of
ProxylessNAS-Mobile are of pytorchcv (proxylessnas_mobile); all have 1,000 classes. The papers give them in
millions: 5.3, 7.8, …, 66 for EfficientNets, 5.4 and 2.5 for MobileNetV3, 3.9 and 4.4 for MnasNet, 5.5 for
FBNet-C.
"""

import pytest
import torch

from nasturtium.hardware.meters import count_parameters
from nasturtium.spaces import efficientnet, fbnet, mnasnet, mobilenetv3, nasbench_macro, once_for_all
from nasturtium.spaces import proxylessnas as proxyless
from nasturtium.spaces.base import make_space

IMAGENET = ((3, 224, 224), 1000)


@pytest.mark.parametrize(
    ("space", "sizes", "arch", "parameters"),
    [
        ("efficientnet", {}, efficientnet.published(0), 5_288_548),
        ("efficientnet", {}, efficientnet.published(1), 7_794_184),
        ("efficientnet", {}, efficientnet.published(2), 9_109_994),
        ("efficientnet", {}, efficientnet.published(3), 12_233_232),
        ("efficientnet", {}, efficientnet.published(4), 19_341_616),
        ("efficientnet", {}, efficientnet.published(5), 30_389_784),
        ("efficientnet", {}, efficientnet.published(6), 43_040_704),
        ("efficientnet", {}, efficientnet.published(7), 66_347_960),
        ("mobilenetv3", {}, mobilenetv3.LARGE, 5_483_032),
        ("mobilenetv3", {"small": 1}, mobilenetv3.SMALL, 2_542_856),
        ("mnasnet", {}, mnasnet.A1, 3_887_038),
        ("mnasnet", {}, mnasnet.B1, 4_383_312),
        ("fbnet", {}, fbnet.FBNET_C, 5_572_200),
        ("proxylessnas", {}, proxyless.MOBILE, 4_080_512),
    ],
)
def test_published_networks_have_their_parameters(space, sizes, arch, parameters):
    blueprint = make_space(space, *IMAGENET, sizes)
    with torch.device("meta"):
        assert count_parameters(blueprint.build(arch, seed=0)) == parameters


def test_published_sizes():
    """FBNet says 9²² ≈ 10²¹, NAS-Bench-Macro 6,561, Once-for-All ((3·3)² + (3·3)³ + (3·3)⁴)⁵ ≈ 2·10¹⁹
    networks, each at 25 resolutions."""
    sizes = {name: make_space(name, *IMAGENET).space.size() for name in ("fbnet", "once-for-all")}
    assert sizes == {"fbnet": 9**22, "once-for-all": 25 * (9**2 + 9**3 + 9**4) ** 5}
    assert nasbench_macro.nasbench_macro((3, 32, 32), 10).space.size() == 6_561


def test_sizes_that_no_paper_states():
    """Counted by hand. ProxylessNAS gives none; blocks that change the shape can't be left out. Of MnasNet
    the paper says 432 a stage; stages that may have one layer have no shortcut then. Of MobileNetV3-Large's
    expansions, 2.3 and 2.5 widen the 16 channels that the first block takes to the same 40."""
    stage = 4 * 2 * 2 * 3  # operation, kernel, squeeze-and-excitation, width
    one_or_two, one_to_three, others = stage * (1 + 3), stage * (1 + 3 + 3), stage * 3 * 3
    assert others == 432
    assert make_space("mnasnet", *IMAGENET).space.size() == one_or_two**2 * one_to_three * others**4
    assert make_space("proxylessnas", *IMAGENET).space.size() == 6**6 * 7**15
    expansions = 5**2 + 5**3 + 5**4
    first = 4 + 4 * 5 + 4 * 5**2
    assert make_space("mobilenetv3", *IMAGENET).space.size() == 8 * 5 * first * (8 * expansions) ** 4
    assert make_space("mobilenetv3", *IMAGENET, {"small": 1}).space.size() == (8 * expansions) ** 4


def test_nasbench_macro_has_3969_different_networks():
    """Within a stage, it makes no difference where the identities that keep the shape are."""
    space = nasbench_macro.nasbench_macro((3, 32, 32), 10).space
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 3_969 == (3 * 3) * (3 * 7) ** 2


def test_compound_scaling_doubles_the_flops():
    growth = efficientnet.ALPHA * efficientnet.BETA**2 * efficientnet.GAMMA**2
    assert growth == pytest.approx(1.92, abs=0.005)  # the paper: ≈ 2


@pytest.mark.parametrize("number", range(8))
def test_the_published_efficientnets_keep_the_rule_and_b7_just_so(number):
    space = efficientnet.efficientnet(*IMAGENET).space
    arch = efficientnet.published(number)
    assert space.why_not(arch) is None
    deeper = {**efficientnet.published(7), "scale/depth": 2.6}
    assert "must come from one φ, within 1.1 (got scale/depth=2.6" in space.why_not(deeper)


def test_the_largest_once_for_all_network_shares_with_the_smallest():
    blueprint = once_for_all.once_for_all(*IMAGENET)
    largest = once_for_all.from_setting({"ks": [7] * 20, "e": [6] * 20, "d": [4] * 5, "r": [224]})
    with torch.device("meta"):
        built = count_parameters(blueprint.build(largest, seed=0))
        transforms = 20 * (25**2 + 9**2)  # of each depthwise layer: 7×7 to 5×5, and that to 3×3
        assert count_parameters(blueprint.make()) == built + transforms
