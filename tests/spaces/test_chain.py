import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.derive import derive
from nasturtium.modules.shortcut import Residual
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.chain import chain
from trained_norms import as_trained

FILTERING = {"filters": 4, "activation": "mish", "skip": "no", "pool": "none"}
SMALL = {"channels": 2, "layers": 3}


def arch_of(*layers: dict) -> Architecture:
    values = {"depth": len(layers)}
    for i, layer in enumerate(layers, start=1):
        values |= {f"layer{i}/{what}": value for what, value in layer.items()}
    return Architecture(values)


def test_the_size_is_exact_at_the_full_depth():
    # 3 poolings × (3 operations with a kernel × 3 kernels + 1 without, × 4 widths × 6 activations × 2 skips,
    # 2 poolings × 2 skips, a skipped zero, an identity)
    layer = 3 * ((3 * 3 + 1) * 4 * 6 * 2 + 2 * 2 + 1 + 1)
    assert chain((3, 32, 32), 10).space.size() == sum(layer**depth for depth in range(1, 13))


FILTERS = {"conv", "separable", "dilated", "projection"}


@pytest.mark.parametrize(
    ("what", "operations"),
    [
        ("kernel", FILTERS - {"projection"}),
        ("filters", FILTERS),
        ("activation", FILTERS),
        ("skip", FILTERS | {"max_pool", "avg_pool", "zero"}),
    ],
)
def test_decisions_that_mean_nothing_are_switched_off(what, operations):
    condition = chain((3, 8, 8), 10, **SMALL).space.conditions[f"layer2/{what}"]
    literals = [when for conjunction in condition for when in conjunction]
    reached = {option for w in literals if w.decision == "layer2/operation" for option in w.options}
    assert reached == operations


def test_a_zero_that_cuts_the_network_is_refused_with_the_reason():
    space = chain((3, 8, 8), 10, **SMALL).space
    cut = arch_of({"operation": "zero", "skip": "no", "pool": "none"})
    assert "layer1 is zero, which lets nothing through unless it is skipped (got" in space.why_not(cut)
    assert arch_of({"operation": "zero", "skip": "yes", "pool": "none"}) in space
    rng = np.random.default_rng(0)
    for _ in range(200):
        arch = space.mutate(space.sample(rng), rng)
        for i in range(1, arch["depth"] + 1):
            assert arch[f"layer{i}/operation"] != "zero" or arch[f"layer{i}/skip"] == "yes"


def test_every_kind_of_layer_is_the_same_in_the_supernet_and_derived():
    blueprint = chain((3, 9, 11), 5, **SMALL)
    supernet = Supernet(blueprint, seed=0).eval()
    as_trained(supernet.net)
    x, rng, met = torch.randn(2, 3, 9, 11), np.random.default_rng(0), set()
    for _ in range(60):
        arch = blueprint.space.complete({}, rng)  # no operation is rare
        met |= {value for name, value in arch.items() if name.endswith("/operation")}
        supernet.activate(arch)
        torch.testing.assert_close(supernet(x), derive(supernet.net, arch)(x), rtol=1e-5, atol=1e-5)
    assert met == set(blueprint.space.decisions["layer1/operation"].options)


def test_a_width_lasts_until_a_layer_with_filters_of_its_own():
    arch = arch_of(
        {"operation": "conv", "kernel": 5, **FILTERING, "filters": 16},
        {"operation": "max_pool", "skip": "yes", "pool": "avg"},
        {"operation": "separable", "kernel": 3, **FILTERING, "skip": "yes"},
    )
    net = chain((3, 8, 8), 5, **SMALL).build(arch, seed=0)
    convs = [m for m in net.layers.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.groups) for c in convs] == [
        (2, 16, 1),
        (16, 16, 16),
        (16, 4, 1),
        (16, 4, 1),  # the projection around the change of width
    ]
    assert net.classifier.in_features == 4
    assert [type(m.shortcut) for m in net.modules() if isinstance(m, Residual)] == [
        nn.Identity,
        nn.Sequential,
    ]


def test_any_number_of_poolings_leaves_a_pixel():
    layers = [{"operation": "identity", "pool": "max" if i % 2 else "avg"} for i in range(12)]
    net = chain((3, 8, 8), 5, channels=2).build(arch_of(*layers), seed=0).eval()
    seen = []
    net.layers.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    assert torch.isfinite(net(torch.randn(2, 3, 8, 8))).all()
    assert seen == [(2, 2, 1, 1)]


def test_small_images_are_refused():
    with pytest.raises(UsageError, match="'chain' needs images of at least 8×8 pixels, got 7×8"):
        chain((3, 7, 8), 10)
