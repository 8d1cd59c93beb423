"""What every registered space must do: black-box search, weight sharing and export, at small sizes."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.export.bundle import FILES, write_bundle
from nasturtium.export.source.checking import tensors
from nasturtium.modules.choice import Choice
from nasturtium.modules.derive import derive
from nasturtium.modules.edge import Edge
from nasturtium.oneshot.relaxations.dirichlet import Dirichlet
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import SPACES, make_space, published

IMAGE_SPACES = [name for name in SPACES.names() if SPACES.get(name).takes == "images"]


@pytest.fixture(params=SPACES.names())
def name(request):
    return request.param


@pytest.fixture
def blueprint(name):
    entry = SPACES.get(name)
    return make_space(name, entry.small_shape, entry.classes if entry.gives == "tokens" else 5, entry.small)


@pytest.fixture
def bounded(blueprint):
    if blueprint.space.unbounded:
        pytest.skip("an unbounded space has no supernet: its networks inherit weights by growing")
    return blueprint


def samples(space, number, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(number)]


def some_loss(outputs):
    return sum(y.float().square().mean() for y in outputs)


def run(net: nn.Module, inputs):
    with torch.no_grad():
        return tensors(net(*inputs))


def test_the_published_network_can_be_described(name):
    info = SPACES.info(name)
    assert info.summary
    assert info.paper.startswith("https://")
    blueprint = published(name)
    space = blueprint.space
    assert [point for point, arch in blueprint.points.items() if arch not in space] == []
    assert space.size() == math.inf or space.size() >= 3
    for arch in samples(space, 3):
        assert Architecture.from_json(arch.to_json()) in space


def test_black_box_search_samples_moves_and_builds(blueprint):
    space, rng = blueprint.space, np.random.default_rng(1)
    first, second = samples(space, 2)
    for arch in (first, space.mutate(first, rng), space.crossover(first, second, rng)):
        assert space.why_not(arch) is None
        net = blueprint.build(arch, seed=3)
        assert not any(isinstance(module, Choice) for module in net.modules())
        outputs = run(net.eval(), blueprint.inputs(2))
        assert all(torch.isfinite(y).all() for y in outputs)
        again = run(blueprint.build(arch, seed=3).eval(), blueprint.inputs(2))
        assert all(torch.equal(a, b) for a, b in zip(outputs, again, strict=True))


def test_a_network_holds_no_weight_that_its_output_does_not_use(blueprint):
    net = blueprint.build(samples(blueprint.space, 1)[0], seed=0).train()
    some_loss(tensors(net(*blueprint.inputs(4)))).backward()
    gradients = {weight: p.grad for weight, p in net.named_parameters()}
    assert gradients
    assert [weight for weight, gradient in gradients.items() if gradient is None] == []
    assert all(torch.isfinite(g).all() for g in gradients.values() if g is not None)


def test_a_path_of_the_supernet_is_the_derived_network(bounded):
    supernet = Supernet(bounded, seed=2).eval()
    inputs = bounded.inputs(2)
    for arch in samples(bounded.space, 3, seed=5):
        supernet.activate(arch)
        with torch.no_grad():
            shared = tensors(supernet(*inputs))
        plain = run(derive(supernet.net, arch), inputs)
        for a, b in zip(shared, plain, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_training_a_path_is_training_the_derived_network(bounded):
    """BatchNorms and dropouts in training mode; weights that the path does not use get no gradient."""
    supernet, inputs = Supernet(bounded, seed=2).train(), bounded.inputs(4)
    arch = samples(bounded.space, 1, seed=8)[0]
    supernet.activate(arch)
    plain = derive(supernet.net, arch)
    shared, own = outputs_of_a_step(supernet, inputs), outputs_of_a_step(plain, inputs)
    torch.testing.assert_close(shared, own, rtol=1e-5, atol=1e-5)
    buffers = dict(derive(supernet.net, arch).named_buffers())
    torch.testing.assert_close(buffers, dict(plain.named_buffers()), rtol=1e-5, atol=1e-5)
    found, expected = gradients(supernet.net), gradients(plain)
    sliced = derive(with_weights(supernet.net, found), arch).state_dict()
    torch.testing.assert_close({n: sliced[n] for n in expected}, expected, rtol=1e-4, atol=1e-5)
    assert squares(found) == pytest.approx(squares(expected), rel=1e-4)


def outputs_of_a_step(net: nn.Module, inputs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropouts
        outputs = tensors(net(*inputs))
    some_loss(outputs).backward()
    return [y.detach() for y in outputs]


def gradients(net: nn.Module):
    """Those of weights that a derived network takes over; others only change what it takes over."""
    weights = {n: p for n, p in net.named_parameters() if ".kernel_maps." not in n}
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in weights.items()}


def with_weights(net: nn.Module, weights):
    found = copy.deepcopy(net)
    for name, weight in weights.items():
        found.get_parameter(name).data = weight
    return found


def squares(tensors) -> float:
    return sum(tensor.double().square().sum().item() for tensor in tensors.values())


def test_a_path_of_the_supernet_learns(bounded):
    supernet = Supernet(bounded, seed=2).train()
    supernet.activate(samples(bounded.space, 1, seed=6)[0])
    some_loss(tensors(supernet(*bounded.inputs(4)))).backward()
    assert any(w.grad is not None and w.grad.abs().sum() > 0 for w in supernet.weights())


RELAXATIONS = {
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "dirichlet": Dirichlet,
    "partial channels": lambda: PartialChannels(2),
}


@pytest.mark.parametrize("relaxation", RELAXATIONS.values(), ids=RELAXATIONS)
def test_a_mixture_runs_or_says_why_not(bounded, relaxation):
    if not bounded.mixes:
        with pytest.raises(UsageError, match="needs one option of '"):
            Supernet(bounded, relaxation(), seed=2)
        return
    if relaxation().part > 1 and not any(isinstance(m, Edge) for m in bounded.make().modules()):
        with pytest.raises(CannotSearch, match="this space has no edges"):
            Supernet(bounded, relaxation(), seed=2)
        return
    supernet = Supernet(bounded, relaxation(), seed=2)
    some_loss(tensors(supernet.train()(*bounded.inputs(4)))).backward()
    assert any(a.grad is not None and a.grad.abs().sum() > 0 for a in supernet.alphas.values())
    assert supernet.architecture() in bounded.space


def test_export_writes_weights_source_and_onnx(blueprint, tmp_path):
    arch = samples(blueprint.space, 1, seed=7)[0]
    net = blueprint.build(arch, seed=0).eval()
    write_bundle(net, arch, blueprint.inputs, tmp_path, title="A network", notes={})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", IMAGE_SPACES)
def test_what_the_network_cannot_take_is_refused_with_the_least(name):
    entry = SPACES.get(name)
    with pytest.raises(UsageError, match=rf"{name}.*at least \d+×\d+.*got 1×1"):
        make_space(name, (entry.small_shape[0], 1, 1), 5, entry.small)


@pytest.mark.parametrize("name", IMAGE_SPACES)
def test_other_image_sizes_channels_and_classes_make_sense(name):
    entry = SPACES.get(name)
    _, height, width = entry.small_shape
    blueprint = make_space(name, (1, height + 3, width + 5), 3, entry.small)
    for y in run(blueprint.build(samples(blueprint.space, 1)[0], seed=0).eval(), blueprint.inputs(2)):
        assert y.shape[:2] == (2, 3)
