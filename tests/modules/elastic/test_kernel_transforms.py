"""Small kernels as learned transformations of larger ones."""

import copy

import pytest
import torch

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.derive import derive
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

KERNEL, WIDTH = Dim("kernel", (3, 5, 7)), Dim("width", (2, 4))


def blueprint(*, depthwise: bool = False) -> Blueprint:
    in_ = WIDTH if depthwise else 3
    return Blueprint(lambda: ElasticConv2d(in_, WIDTH, KERNEL, depthwise=depthwise, kernel_transforms=True))


def supernet(*, learned: bool, depthwise: bool = False) -> Supernet:
    found = Supernet(blueprint(depthwise=depthwise))
    if learned:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for matrix in found.net.kernel_maps:
                matrix.add_(torch.randn(matrix.shape, generator=generator))
    return found


def arch(kernel: int, width: int = 4) -> Architecture:
    return Architecture({"kernel": kernel, "width": width})


@pytest.mark.parametrize("kernel", KERNEL.options)
def test_at_first_a_smaller_kernel_is_the_centre_of_the_largest(kernel):
    layer = supernet(learned=False).net
    edge = (7 - kernel) // 2
    centre = layer.weight[:, :, edge : 7 - edge, edge : 7 - edge]
    assert torch.equal(derive(layer, arch(kernel)).weight, centre)


def test_each_smaller_kernel_is_a_matrix_times_the_centre_of_the_one_before():
    layer = supernet(learned=True).net
    assert [tuple(m.shape) for m in layer.kernel_maps] == [(25, 25), (9, 9)]
    five, three = (matrix.detach() for matrix in layer.kernel_maps)
    weight = layer.weight.detach()
    for out in range(4):
        for in_ in range(3):
            middle = (five @ weight[out, in_, 1:6, 1:6].reshape(25)).reshape(5, 5)
            small = (three @ middle[1:4, 1:4].reshape(9)).reshape(3, 3)
            torch.testing.assert_close(derive(layer, arch(5)).weight[out, in_], middle)
            torch.testing.assert_close(derive(layer, arch(3)).weight[out, in_], small)
    assert torch.equal(derive(layer, arch(7)).weight, weight)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("kernel", KERNEL.options)
def test_a_path_is_the_derived_convolution_which_has_no_matrices(kernel, depthwise):
    found = supernet(learned=True, depthwise=depthwise).eval()
    for width in WIDTH.options:
        found.activate(arch(kernel, width))
        plain = derive(found.net, arch(kernel, width))
        x = torch.rand(2, width if depthwise else 3, 9, 9, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(found(x), plain(x), rtol=1e-5, atol=1e-5)
        assert sorted(name for name, _ in plain.named_parameters()) == ["bias", "weight"]


@pytest.mark.parametrize(("kernel", "reached"), [(7, 0), (5, 1), (3, 2)])
def test_gradients_reach_the_matrices_on_the_way(kernel, reached):
    found = supernet(learned=True)
    found.activate(arch(kernel))
    found(torch.rand(1, 3, 9, 9)).square().sum().backward()
    gradients = [matrix.grad for matrix in found.net.kernel_maps]
    assert [g is not None and bool(g.abs().sum() > 0) for g in gradients] == [i < reached for i in range(2)]
    assert found.net.weight.grad.abs().sum() > 0


def test_only_a_supernet_that_is_told_to_learns_matrices():
    built = blueprint().build(arch(5), seed=0)
    assert sorted(name for name, _ in built.named_parameters()) == ["bias", "weight"]
    plain = Supernet(Blueprint(lambda: ElasticConv2d(3, WIDTH, KERNEL)))
    assert list(plain.net.kernel_maps) == []
    assert {name for name, _ in copy.deepcopy(plain).named_parameters()} == {"net.weight", "net.bias"}
