"""Progressive shrinking: its phases by hand, and its training."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.resize import Resize
from nasturtium.oneshot import shrinking
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.shrinking import elastic, epochs_of, phases, rate_of, shrink
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.constraints import Rule
from nasturtium.training.checkpoint import Checkpoints
from path_search_parts import FABRIC, TRAIN, VALID, Net

KINDS = {"kernel": "kernel", "number": "depth", "wide": "width"}


def shrinkable() -> nn.Module:
    """Every kind of elastic decision, and three that are none: resolution, stride and activation."""
    wide = derived(lambda n: 4 * n, Dim("wide", (1, 2, 3)), hidden=True)
    stride = Dim("stride", (1, 2))

    def block(i: int) -> nn.Module:
        return nn.Sequential(
            ElasticConv2d(4, wide, 1),
            ElasticBatchNorm2d(wide),
            ElasticConv2d(wide, wide, Dim("kernel", (3, 1, 5)), depthwise=True, kernel_transforms=True),
            OneOf("activation", {"relu": nn.ReLU, "tanh": nn.Tanh}),
            ElasticConv2d(wide, 4, 1, stride=stride),
        )

    return nn.Sequential(Resize(Dim("side", (6, 8)), 8, 8), Net(Repeat("number", block, (1, 2, 3))))


def supernet(**keywords) -> Supernet:
    return Supernet(Blueprint(shrinkable, **keywords), seed=2)


def test_kinds_are_read_off_the_modules():
    assert elastic(supernet().net) == KINDS


def test_phases_open_kernels_then_depths_then_widths():
    net = supernet()
    found = phases(net.net, net.space)
    opened = [{name: phase.space.decisions[name].options for name in KINDS} for phase in found]
    all_kernels = (3, 1, 5)
    assert opened == [
        {"kernel": (5,), "number": (3,), "wide": (3,)},
        {"kernel": all_kernels, "number": (3,), "wide": (3,)},
        {"kernel": all_kernels, "number": (2, 3), "wide": (3,)},
        {"kernel": all_kernels, "number": (1, 2, 3), "wide": (3,)},
        {"kernel": all_kernels, "number": (1, 2, 3), "wide": (2, 3)},
        {"kernel": all_kernels, "number": (1, 2, 3), "wide": (1, 2, 3)},
    ]
    assert [phase.name for phase in found] == [
        "largest",
        "kernel",
        "depth-2",
        "depth-3",
        "width-2",
        "width-3",
    ]
    assert [phase.paths for phase in found] == [1, 1, 2, 2, 4, 4]
    assert [phase.length for phase in found] == [180, 125, 25, 125, 25, 125]
    assert [phase.sorts for phase in found] == [False] * 4 + [True] * 2
    for phase in found:
        for name in ("side", "stride", "activation"):
            assert phase.space.decisions[name] == net.space.decisions[name]


def test_a_restricted_space_shrinks_within_it():
    net = Supernet(Blueprint(shrinkable).restrict({"kernel": (1, 3), "number": (2,), "wide": (2,)}))
    assert [phase.name for phase in phases(net.net, net.space)] == ["largest", "kernel"]
    assert phases(net.net, net.space)[0].space.decisions["kernel"].options == (3,)


def test_spaces_that_cannot_shrink_are_refused():
    fixed = Supernet(Blueprint(lambda: OneOf("op", {"a": nn.ReLU, "b": nn.Tanh})))
    with pytest.raises(UsageError, match="nothing can shrink here"):
        phases(fixed.net, fixed.space)
    tight = supernet(constraints=[Rule("not so wide", frozenset(["wide"]), lambda v: v["wide"] < 3)])
    with pytest.raises(UsageError, match="largest network.*not so wide"):
        phases(tight.net, tight.space)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(2, [1, 0, 0, 0, 0, 1]), (3, [1, 1, 0, 0, 0, 1]), (605, [180, 125, 25, 125, 25, 125])],
)
def test_epochs_are_shared_by_published_lengths(epochs, expected):
    net = supernet()
    assert epochs_of(phases(net.net, net.space), epochs) == expected


def test_one_epoch_is_too_few():
    net = supernet()
    with pytest.raises(UsageError, match="at least 2 epochs"):
        epochs_of(phases(net.net, net.space), 1)


EPOCHS = 7
SHARES = [2, 2, 0, 1, 1, 1]
SETTINGS = PathSettings(epochs=EPOCHS, batch_size=16, learning_rate=0.05)


class Killed(Exception):
    pass


def run(folder=None, on_epoch=lambda _: None):
    net = supernet()
    found = shrink(
        net,
        phases(net.net, net.space),
        SETTINGS,
        TRAIN,
        VALID,
        fabric=FABRIC,
        seed=0,
        checkpoints=folder and (lambda name: Checkpoints(folder, f"supernet-{name}")),
        on_epoch=on_epoch,
    )
    return net, [replace(epoch, cost={}) for epoch in found.curve], found.cost


def test_epochs_are_counted_through_the_phases_and_cost_what_their_paths_cost():
    numbers = []
    net, curve, cost = run(on_epoch=lambda epoch: numbers.append(epoch.epoch))
    assert epochs_of(phases(net.net, net.space), EPOCHS) == SHARES
    assert numbers == [epoch.epoch for epoch in curve] == list(range(1, EPOCHS + 1))
    steps = 2  # of 16 out of 40 images
    paths = sum(n * p for n, p in zip(SHARES, (1, 1, 2, 2, 4, 4), strict=True))
    taught = EPOCHS - SHARES[0]  # a pass of the teacher in each of their steps
    assert cost.backward == steps * paths
    assert cost.forward == steps * (paths + taught) + EPOCHS  # and a look at a validation batch in each epoch


@pytest.mark.parametrize("last", range(1, EPOCHS))
def test_interrupted_in_any_phase_it_ends_as_if_it_never_was(tmp_path, last):
    whole, expected, _ = run()

    def stop(epoch):
        if epoch.epoch == last:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, stop)
    torch.rand(3)
    told = []
    resumed, found, _ = run(tmp_path, lambda epoch: told.append(epoch.epoch))
    assert told == list(range(1, EPOCHS + 1))
    assert found == expected
    one, other = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_later_phase_is_taught_by_the_largest_network_as_it_was(monkeypatch):
    taught = []

    class Watched(shrinking.SinglePath):
        def __init__(self, net, sampler, settings, *, distil, **keywords):
            taught.append((distil, settings.learning_rate))
            super().__init__(net, sampler, settings, distil=distil, **keywords)

    monkeypatch.setattr(shrinking, "SinglePath", Watched)
    run()
    distillations, rates = zip(*taught, strict=True)
    assert distillations[0] is None
    assert len({id(d.teacher) for d in distillations[1:]}) == 1
    assert all(d.labels == 1.0 for d in distillations[1:])
    assert not any(p.requires_grad for p in distillations[1].teacher.parameters())
    assert [rate / 0.05 for rate in rates] == pytest.approx([1, *[0.96 / 2.6] * 4])  # a short training


def test_step_sizes_are_published_in_long_trainings_and_larger_at_the_end_of_short_ones():
    net = supernet()
    found = phases(net.net, net.space)
    published = [rate / 2.6 for rate in (2.6, 0.96, 0.08, 0.24, 0.08, 0.24)]
    assert [rate_of(phase, 10**6) for phase in found] == pytest.approx(published)
    assert [rate_of(phase, 5000) for phase in found] == pytest.approx(
        [*published[:2], *(2 * rate for rate in published[2:])]
    )
    assert [rate_of(phase, 10) for phase in found] == pytest.approx([1, *[0.96 / 2.6] * 5])


def test_the_teacher_is_the_largest_path():
    net = supernet()
    teacher = shrinking._largest(net, phases(net.net, net.space)[0].space, TRAIN, FABRIC)
    convs = [m for m in teacher.modules() if isinstance(m, nn.Conv2d)]
    assert [conv.kernel_size[0] for conv in convs] == [3, *[1, 5, 1] * 3]
    assert {conv.out_channels for conv in convs} == {4, 12}
