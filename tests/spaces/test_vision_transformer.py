import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.base import make_space
from nasturtium.spaces.vision_transformer import from_list, to_list, vit

SMALL = {"patch": 4, "layers": 1, "head": 4}
TINY = [2, 3.5, 4.0, 3, 4, 12]  # two layers


def small(name="autoformer-tiny", shape=(3, 8, 8), **sizes):
    return make_space(name, shape, 5, SMALL | sizes)


@pytest.mark.parametrize("name", ["vit", "autoformer-tiny", "autoformer-small", "autoformer-base"])
def test_lists_survive_a_round_trip(name):
    blueprint = small(name)
    rng = np.random.default_rng(0)
    for _ in range(20):
        arch = blueprint.space.sample(rng)
        assert from_list(to_list(arch)) == arch
        assert blueprint.notation(arch) == str(to_list(arch))


def test_a_list_reads_as_written():
    arch = from_list(TINY)
    assert dict(arch) == {
        "network/width": 12,
        "network/depth": 2,
        "layer1/heads": 3,
        "layer2/heads": 4,
        "layer1/ratio": 3.5,
        "layer2/ratio": 4.0,
    }
    assert arch in small().space


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (None, "expected a list .*got None"),
        ([], "expected a list"),
        ("|none~0|", "expected a list"),
        ([True, *TINY[1:]], "starts with True; expected the depth"),
        ([2.5, *TINY[1:]], r"starts with 2\.5; expected the depth"),
        ([3, *TINY[1:]], "6 entries; with depth 3 it needs 8"),
        (TINY[:-1], "5 entries; with depth 2 it needs 6"),
        ([2, 3.5, "4", 3, 4, 12], "entry 2 of the list is '4'; expected a number"),
        ([2, 3.5, 4.0, 3, 4.5, 12], r"entry 4 of the list is 4\.5; expected a whole number"),
        ([2, 3.5, 4.0, 3, 4, None], "entry 5 of the list is None"),
    ],
)
def test_bad_lists_are_refused_with_the_entry(numbers, message):
    with pytest.raises(UsageError, match=message):
        from_list(numbers)


def test_what_the_ranges_do_not_offer_is_refused_by_name():
    with pytest.raises(UsageError, match="'layer2/heads' got 5; allowed: 3, 4"):
        small().build(from_list([2, 3.5, 4.0, 3, 5, 12]), seed=0)


def test_layers_have_the_sizes_that_the_list_says():
    net = small(head=8).build(from_list([2, 3.5, 4.0, 3, 4, 27]), seed=0)
    first, second = net.blocks
    assert (first.attention.query.out_features, second.attention.query.out_features) == (24, 32)
    assert (first.mlp[0].out_features, second.mlp[0].out_features) == (94, 108)  # 27 · 3.5 rounded down
    assert first.attention.output.out_features == second.mlp[2].out_features == 27


def test_widths_that_narrow_heads_make_the_same_are_one_option():
    assert small("vit", head=1).space.decisions["network/width"].options == (3, 5, 6, 7, 8, 9, 12)


def test_points_are_known_at_the_published_sizes_only():
    assert set(vit((3, 224, 224), 10).points) == {"DeiT-Tiny", "DeiT-Small", "DeiT-Base"}
    assert set(make_space("autoformer-base", (3, 64, 64), 10).points) == {"AutoFormer-Base"}
    assert vit((3, 224, 224), 10, head=32).points == vit((3, 224, 224), 10, relative=1).points == {}


def test_images_that_patches_do_not_divide_are_padded():
    """The last row and column of pixels are seen, and padding by hand gives the same."""
    arch = from_list(TINY)
    odd = small(shape=(3, 9, 6)).build(arch, seed=0).eval()
    whole = small(shape=(3, 12, 8)).build(arch, seed=0).eval()
    x = torch.randn(1, 3, 9, 6)
    torch.testing.assert_close(odd(x), whole(nn.functional.pad(x, (0, 2, 0, 3))))
    changed = x.clone()
    changed[..., -1, -1] += 1
    assert not torch.allclose(odd(changed), odd(x))


@pytest.mark.parametrize("name", ["vit", "autoformer-base"])
def test_images_smaller_than_a_patch_are_refused(name):
    with pytest.raises(UsageError, match=f"'{name}' needs images of at least 16×16 pixels, got 16×15"):
        make_space(name, (3, 16, 15), 5)


def test_vit_reads_the_class_token_and_autoformer_the_patches():
    """Without blocks between them, one sees nothing of the image and the other nothing of the token."""
    for name, own in (("vit", True), ("autoformer-tiny", False)):
        net = small(name).build(from_list([2, 3.5, 4.0, 3, 4, 12]), seed=0).eval()
        net.blocks = nn.Identity()
        x, y = torch.randn(2, 1, 3, 8, 8)
        assert torch.allclose(net(x), net(y)) is own
        before = net(x)
        with torch.no_grad():
            net.class_token.vectors += torch.arange(12.0)
        assert torch.allclose(net(x), before) is not own


def test_relative_positions_can_be_switched_on_and_off():
    arch = from_list(TINY)
    on, off = small().build(arch, seed=0), small(absolute=1).build(arch, seed=0)
    added = {name for name, _ in on.named_parameters()} - {name for name, _ in off.named_parameters()}
    assert len(added) == 2 * 4
    assert all(".attention.score." in name for name in added)


def test_all_architectures_share_one_set_of_weights():
    """Training a network moves the first part of the weights of a wider one."""
    supernet = Supernet(vit((3, 8, 8), 5, patch=4, layers=1, head=4), seed=0)
    narrow, wide = from_list([1, 3.0, 3, 12]), from_list([1, 4.0, 4, 48])
    before = derive(supernet.net, wide)
    supernet.activate(narrow)
    supernet(torch.randn(2, 3, 8, 8)).square().sum().backward()
    with torch.no_grad():
        for weight in supernet.weights():
            if weight.grad is not None:
                weight -= weight.grad
    moved = derive(supernet.net, wide).blocks[0].mlp[0].weight != before.blocks[0].mlp[0].weight
    assert moved[:36, :12].any()
    assert not moved[36:].any()
    assert not moved[:, 12:].any()
