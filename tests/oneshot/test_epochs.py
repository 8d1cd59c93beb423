import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasturtium.core.errors import Diverged
from nasturtium.oneshot.epochs import cost_of, look, refuse_infinite
from nasturtium.oneshot.settings import WeightSettings
from nasturtium.problem.records import Cost, SearchEpoch


def test_a_look_is_cross_entropy_and_accuracy_without_a_gradient():
    net = nn.Linear(3, 2)
    x, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 1])
    loss, right = look(net, x, labels)
    assert not loss.requires_grad
    assert torch.allclose(loss, F.cross_entropy(net(x), labels))
    assert right == sum(int(net(row).argmax()) == int(y) for row, y in zip(x, labels, strict=True)) / 5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_told_with_what_may_mend_it(value: float):
    fine, bad = torch.tensor([0.5, 0.9]), torch.tensor([value, 0.1])
    refuse_infinite({"train": fine, "valid": fine}, 3, {"learning_rate": 0.1})
    message = rf"0.5 \(train\), {value} \(valid\) in epoch 3; lower a \(now 0.1\) or b \(now 2\)"
    with pytest.raises(Diverged, match=message):
        refuse_infinite({"train": fine, "valid": bad}, 3, {"a": 0.1, "b": 2.0})


def test_costs_add_up():
    costs = [Cost(forward=2, seconds=0.5), Cost(forward=3, samples=7)]
    curve = [SearchEpoch(i, 0, 0, 0, 0, {}, cost.to_dict()) for i, cost in enumerate(costs)]
    assert cost_of(curve) == Cost(forward=5, samples=7, seconds=0.5)
    assert cost_of([]) == Cost()


def test_the_share_of_a_training_that_is_over_and_its_step_size():
    settings = WeightSettings(epochs=5, learning_rate=1.0, learning_rate_end=0.2)
    assert [settings.progress(epoch) for epoch in (1, 3, 5)] == [0.0, 0.5, 1.0]
    assert WeightSettings(epochs=1).progress(1) == 0.0
    expected = [0.2 + 0.8 * (1 + math.cos(math.pi * i / 5)) / 2 for i in range(5)]
    assert [settings.step_size(epoch) for epoch in range(1, 6)] == pytest.approx(expected)
