import pytest
import torch

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.decision import Decision
from nasturtium.spaces.darts import PRIMITIVES

OP = Decision("op", ("a", "b", "c"))


def test_every_option_has_the_sigmoid_of_its_own_parameter():
    alpha = torch.tensor([0.0, 1.0, -2.0])
    gate = Sigmoid().gate(OP, alpha)
    expected = 1 / (1 + (-alpha).exp())
    assert gate.index == (0, 1, 2)
    assert torch.allclose(gate.weight, expected)
    assert torch.allclose(Sigmoid().probabilities(OP, alpha), expected)


def test_options_do_not_compete():
    alpha = torch.tensor([0.3, 1.0, -2.0])
    jacobian = torch.autograd.functional.jacobian(lambda row: Sigmoid().gate(OP, row).weight, alpha)
    p = alpha.sigmoid()
    assert torch.allclose(jacobian, torch.diag(p * (1 - p)))


def test_there_is_no_zero_candidate():
    supernet = Supernet(Blueprint(lambda: Cell("c", PRIMITIVES, 4, 1, null=True)), Sigmoid())
    assert {name: len(row) for name, row in supernet.alphas.items()} == {"c/2<-0": 7, "c/2<-1": 7}


def test_inputs_are_ranked_by_their_strongest_operation():
    ops = {name: PRIMITIVES["skip_connect"] for name in ("a", "b")}
    supernet = Supernet(Blueprint(lambda: Cell("c", ops, 4, 1, inputs=3)), Sigmoid())
    # by softmax the second edge would be the clearest: 0.98 against 0.62 and 0.62
    for source, row in enumerate(([2.0, 1.5], [0.0, -4.0], [1.5, 2.0])):
        supernet.alphas[f"c/3<-{source}"].data.copy_(torch.tensor(row))
    assert supernet.architecture()["c/3/inputs"] == (0, 2)
    x = torch.ones(1, 4, 2, 2)
    total = sum(row.sigmoid().sum() for row in supernet.alphas.values())
    assert supernet([x] * 3)[0, 0, 0, 0].item() == pytest.approx(total.item())
