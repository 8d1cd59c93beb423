"""What is special in the mobile spaces: notations, points, frames, strides."""

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Choice
from nasturtium.modules.shortcut import Residual
from nasturtium.space.architecture import Architecture
from nasturtium.spaces import fbnet, mnasnet, once_for_all, proxylessnas
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.spaces.nasbench_macro import from_string, nasbench_macro, to_string

NAMES = ("efficientnet", "fbnet", "mnasnet", "mobilenetv3", "once-for-all", "proxylessnas")


def reduction(name: str, cifar: int) -> int:
    """By how much the network divides the image before the mean over all pixels."""
    entry = SPACES.get(name)
    resolution = {"resolution": 64} if "resolution" in entry.sizes else {}
    blueprint = make_space(name, (3, 64, 64), 5, {**entry.small, **resolution, "cifar": cifar})
    scales = {"scale/resolution": 64, "scale/depth": 1.0, "scale/width": 1.0, "image/resolution": 64}
    arch = blueprint.space.complete(scales, np.random.default_rng(0))
    net = blueprint.build(arch, seed=0).eval()
    sides = []
    pool = next(i for i, part in enumerate(net) if isinstance(part, nn.AdaptiveAvgPool2d))
    net[pool].register_forward_hook(lambda module, inputs, output: sides.append(inputs[0].shape[-1]))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 64))
    return 64 // sides[0]


@pytest.mark.parametrize("name", NAMES)
def test_images_are_divided_by_32_or_for_cifar_by_8(name):
    assert (reduction(name, 0), reduction(name, 1)) == (32, 8)


@pytest.mark.parametrize("name", ["fbnet", "mnasnet", "mobilenetv3", "proxylessnas"])
@pytest.mark.parametrize(("cifar", "least"), [(0, 32), (1, 8)])
def test_the_least_image_follows_from_the_strides(name, cifar, least):
    make_space(name, (3, least, least), 10, {"cifar": cifar})
    with pytest.raises(UsageError, match=f"at least {least}×{least} pixels, got {least - 1}×{least}"):
        make_space(name, (3, least - 1, least), 10, {"cifar": cifar})


@pytest.mark.parametrize(
    ("name", "sizes", "points"),
    [
        ("fbnet", {}, ["FBNet-C"]),
        ("fbnet", {"width": 50}, ["FBNet-C"]),
        ("proxylessnas", {}, ["ProxylessNAS-Mobile"]),
        ("proxylessnas", {"width": 25}, ["ProxylessNAS-Mobile"]),
        ("mnasnet", {}, ["MnasNet-A1", "MnasNet-B1"]),
        ("mnasnet", {"width": 50}, []),  # its architectures are written with other widths
        ("mobilenetv3", {}, ["MobileNetV3-Large"]),
        ("mobilenetv3", {"small": 1}, ["MobileNetV3-Small"]),
        ("mobilenetv3", {"small": 1, "width": 25}, []),  # fewer expansions make a difference
    ],
)
def test_published_networks_are_points(name, sizes, points):
    blueprint = make_space(name, (3, 32, 32), 10, sizes)
    assert list(blueprint.points) == points
    for arch in blueprint.points.values():
        assert blueprint.space.why_not(arch) is None


@pytest.mark.parametrize("sizes", [{}, {"small": 1}, {"small": 1, "width": 25}])
def test_expansions_of_mobilenetv3_make_different_widths(sizes):
    blueprint = make_space("mobilenetv3", (3, 32, 32), 10, sizes)
    rng = np.random.default_rng(0)
    for name in ("stage1/block1/expand", "stage1/block2/expand", "stage2/block1/expand"):
        expansions = blueprint.space.decisions[name].options
        base = blueprint.space.sample(rng)
        with torch.device("meta"):
            nets = [blueprint.build(Architecture({**base, name: e}), seed=0) for e in expansions]
        assert len({sum(p.numel() for p in net.parameters()) for net in nets}) == len(expansions) > 2


def test_blocks_that_change_the_shape_cannot_be_left_out():
    space = proxylessnas.proxylessnas((3, 32, 32), 10).space
    skippable = [name for name, d in space.decisions.items() if "skip" in d.options]
    assert skippable == [f"stage{s}/block{i}" for s in range(1, 6) for i in (2, 3, 4)]


def test_a_skip_of_fbnet_costs_nothing_where_it_can():
    values = {name: "skip" for name in fbnet.fbnet((3, 32, 32), 10).space.decisions}
    net = fbnet.fbnet((3, 32, 32), 10).build(Architecture(values), seed=0)
    kinds = [type(part) for part in list(net)[1:-4]]
    assert kinds.count(nn.Identity) == 1 + 3 * 5
    assert kinds.count(nn.Sequential) == 6


def test_a_shortcut_of_mnasnet_is_a_decision_where_there_are_two_layers():
    blueprint = mnasnet.mnasnet((3, 32, 32), 10)
    assert "stage1/skip" in blueprint.space.why_not({**mnasnet.A1, "stage1/skip": "none"})
    for skip, residuals in (("identity", 9), ("none", 6)):  # 16 layers, of which 7 are the first of a stage
        net = blueprint.build(Architecture({**mnasnet.A1, "stage4/skip": skip}), seed=0)
        assert sum(isinstance(part, Residual) for part in net.modules()) == residuals


SETTING = {"ks": [7] * 20, "e": [6] * 20, "d": [4] * 5, "r": [224]}


def test_a_setting_of_once_for_all_is_read_and_written():
    setting = {"ks": [3, 5, 7, 3] * 5, "e": [3, 4, 6, 3] * 5, "d": [2, 3, 4, 3, 2], "r": [176]}
    arch = once_for_all.from_setting(setting)
    blueprint = once_for_all.once_for_all((3, 224, 224), 1000)
    assert blueprint.space.why_not(arch) is None
    assert sum(name.endswith("/kernel") for name in arch) == 2 + 3 + 4 + 3 + 2
    written = once_for_all.to_setting(arch)
    assert written["d"] == setting["d"]
    assert written["ks"][:4] == [3, 5, 3, 3]  # the third block does not run
    assert once_for_all.from_setting(written) == arch
    assert blueprint.notation(arch) == repr(written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": [7] * 19}, r"'ks' is \[7.*\]; expected a list of 20 numbers"),
        ({"r": 224}, "'r' is 224; expected a list of 1 numbers"),
        ({"d": [4, 4, 5, 4, 4]}, "'d' has 5 at place 2; allowed: 2, 3, 4"),
        ({"e": [6] * 7 + [5] + [6] * 12}, "'e' has 5 at place 7; allowed: 3, 4, 6"),
        ({"ks": [7] * 19 + [9]}, "'ks' has 9 at place 19; allowed: 3, 5, 7"),
        ({"ks": [[7]] * 20}, r"'ks' has \[7\] at place 0; allowed: 3, 5, 7"),
        ({"ks": "7" * 20}, "'ks' is '77.*'; expected a list of 20 numbers"),
        ({"ks": [7.0] * 20}, "'ks' has 7.0 at place 0"),
        ({"r": ["224"]}, "'r' has '224' at place 0; allowed: whole numbers"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(change, message):
    with pytest.raises(UsageError, match=message):
        once_for_all.from_setting({**SETTING, **change})


@pytest.mark.parametrize("setting", [None, [7] * 20, 3, "|nor_conv_3x3~0|"])
def test_what_is_no_setting_is_refused(setting):
    with pytest.raises(UsageError, match="expected a setting, a mapping with 'ks', 'e', 'd' and 'r'; got"):
        once_for_all.from_setting(setting)


def test_a_setting_without_a_key_is_refused():
    with pytest.raises(UsageError, match="'e' is None; expected a list of 20"):
        once_for_all.from_setting({key: value for key, value in SETTING.items() if key != "e"})


def test_resolutions_of_once_for_all():
    sides = once_for_all.once_for_all((3, 32, 32), 10).space.decisions["image/resolution"].options
    assert sides == tuple(range(128, 225, 4))
    with pytest.raises(UsageError, match="resolution of at least 56, got 55"):
        once_for_all.once_for_all((3, 32, 32), 10, resolution=55)


def test_the_string_of_nasbench_macro():
    arch = from_string("01210122")
    assert arch["stage1/layer1"] == "identity"
    assert arch["stage3/layer3"] == "mb6_k5"
    assert to_string(arch) == "01210122"
    assert nasbench_macro((3, 32, 32), 10).notation(arch) == "01210122"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0121012", "'0121012' has 7 digits; NAS-Bench-Macro has one for each of its 8 layers"),
        ("01310122", r"layer 'stage2/layer1' got '3'; expected 0 \(identity\)"),
        ("|avg_pool_3x3~0|+", "has 17 digits"),
        ("", "has 0 digits"),
        ([0, 1, 2, 1, 0, 1, 2, 1], "expected text such as 01210121, got"),
        (None, "expected text"),
    ],
)
def test_a_wrong_string_of_nasbench_macro_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        from_string(text)


def test_nothing_to_choose_is_left():
    arch = once_for_all.from_setting(SETTING)
    with torch.device("meta"):
        net = once_for_all.once_for_all((3, 224, 224), 1000).build(arch, seed=0)
    assert not any(isinstance(module, Choice) for module in net.modules())
