import pytest
import torch
from torch import Tensor, nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.choice import Undecided
from nasturtium.modules.edge import Edge
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def times(**factors: float) -> dict:
    return {name: lambda f=f: Times(f) for name, f in factors.items()}


def with_alphas(make, **rows: list[float]) -> Supernet:
    supernet = Supernet(Blueprint(make), Softmax())
    with torch.no_grad():
        for name, row in rows.items():
            supernet.alphas[name].copy_(torch.tensor(row))
    return supernet


def odds(*weights: float) -> list[float]:
    """Architecture parameters whose softmax is in the ratio of `weights`."""
    return torch.tensor(weights).log().tolist()


X = torch.ones(1)


def test_one_of_is_the_weighted_sum():
    supernet = with_alphas(lambda: OneOf("op", times(a=1, b=10, c=100)), op=odds(1, 2, 5))
    assert supernet(X).item() == pytest.approx((1 + 20 + 500) / 8)
    assert supernet.probabilities()["op"].tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert supernet.architecture() == Architecture({"op": "c"})


def test_the_zero_candidate_takes_probability_but_is_never_chosen():
    ops = {name: lambda channels, stride, f=f: Times(f) for name, f in {"a": 1, "b": 10}.items()}
    supernet = with_alphas(lambda: Edge("op", ops, 4, null=True), op=odds(2, 1, 5))
    assert supernet(X).item() == pytest.approx((2 + 10) / 8)
    assert supernet.probabilities()["op"].tolist() == pytest.approx([2 / 8, 1 / 8])
    assert supernet.architecture() == Architecture({"op": "a"})
    assert len(with_alphas(lambda: Edge("op", ops, 4)).alphas["op"]) == 2


def test_all_sites_of_a_name_share_one_row():
    def make() -> nn.Module:
        return nn.Sequential(*(OneOf("op", times(a=1, b=3)) for _ in range(3)))

    supernet = with_alphas(make, op=odds(1, 1))
    assert list(supernet.alphas) == ["op"]
    y = supernet(X)
    assert y.item() == pytest.approx(2**3)
    y.backward()
    # y = (p·1 + (1 − p)·3)³, dp/dα = p(1 − p)
    assert supernet.alphas["op"].grad.tolist() == pytest.approx([3 * 4 * -2 / 4, 3 * 4 * 2 / 4])


def test_k_of_n_inputs_are_all_summed_and_one_of_n_weighted():
    class Inputs(nn.Module):
        def __init__(self, k: int) -> None:
            super().__init__()
            self.choice = InputChoice("in", 3, k)

        def forward(self, x: Tensor) -> Tensor:
            return self.choice([x, 10 * x, 100 * x])

    pairs = with_alphas(lambda: Inputs(2))
    assert list(pairs.alphas) == []
    assert pairs(X).item() == 111
    assert with_alphas(lambda: Inputs(1), **{"in": odds(1, 2, 5)})(X).item() == pytest.approx(521 / 8)


@pytest.mark.parametrize("depths", [(1, 3), (0, 1, 3), (2,)])
def test_a_stack_mixes_its_outputs_at_each_depth(depths):
    weights = torch.arange(1.0, len(depths) + 1)
    supernet = with_alphas(
        lambda: Repeat("depth", lambda i: Times(10.0), depths), depth=odds(*weights.tolist())
    )
    expected = sum(w * 10.0**d for w, d in zip(weights.tolist(), depths, strict=True)) / weights.sum().item()
    assert supernet(X).item() == pytest.approx(expected)


def test_a_cell_is_the_sum_over_nodes_and_edges():
    factors = {"a": 1.0, "b": 2.0}
    ops = {name: lambda channels, stride, f=f: Times(f) for name, f in factors.items()}
    supernet = with_alphas(lambda: Cell("c", ops, 4, nodes=2, null=True))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for alpha in supernet.alphas.values():
            alpha.normal_(generator=generator)
    states = [torch.full((1, 1, 1, 1), value) for value in (1.0, 2.0)]
    found = supernet(list(states))
    for node in (2, 3):
        total = torch.zeros(1, 1, 1, 1)
        for source in range(node):
            p = supernet.alphas[f"c/{node}<-{source}"].detach().softmax(0)
            total = total + (p[0] + 2 * p[1]) * states[source]
        states.append(total)
    assert torch.allclose(found, torch.cat(states[2:], dim=1))


def test_activate_runs_one_path_and_back():
    supernet = with_alphas(lambda: OneOf("op", times(a=1, b=10)), op=odds(1, 1))
    supernet.activate(Architecture({"op": "b"}))
    assert supernet(X).item() == 10
    supernet.activate(None)
    assert supernet(X).item() == pytest.approx(5.5)
    with pytest.raises(UsageError, match="'op' got 'z'; allowed: a, b"):
        supernet.activate(Architecture({"op": "z"}))


def test_without_relaxation_and_path_nothing_is_decided():
    with pytest.raises(Undecided, match="'op'"):
        Supernet(Blueprint(lambda: OneOf("op", times(a=1, b=10))))(X)


def test_training_settings_are_refused():
    blueprint = Blueprint(
        lambda: OneOf("op", times(a=1, b=10)), settings=[Decision("train/rate", (0.1, 0.01), ordered=True)]
    )
    with pytest.raises(CannotSearch, match=r"training settings \(train/rate\)"):
        Supernet(blueprint, Softmax())


def test_the_seed_decides_weights_and_alphas_and_nothing_else_does():
    def make() -> nn.Module:
        return OneOf("op", {"a": lambda: nn.Linear(2, 2), "b": lambda: nn.Linear(2, 2)})

    before = torch.get_rng_state()
    one, same, other = (Supernet(Blueprint(make), Softmax(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)
    assert one["alphas.op"].abs().max() < 0.01


def test_batch_norms_of_candidates_have_no_scale_in_a_mixture_only():
    from nasturtium.modules.ops import OPS

    def make() -> nn.Module:
        return Edge("op", {name: OPS.get(name) for name in ("sep_conv_3x3", "nor_conv_3x3")}, 4)

    for relaxation, affine in ((Softmax(), False), (None, True)):
        norms = [m for m in Supernet(Blueprint(make), relaxation).modules() if isinstance(m, nn.BatchNorm2d)]
        assert {norm.affine for norm in norms} == {affine}


@pytest.mark.parametrize("name", ["type", "items", "training"])
def test_names_that_torch_uses_itself_are_refused(name):
    with pytest.raises(UsageError, match=f"PyTorch uses '{name}' itself.*'block/{name}'"):
        with_alphas(lambda: OneOf(name, times(a=1, b=10)))
    assert 1 < with_alphas(lambda: OneOf(f"block/{name}", times(a=1, b=10)))(X).item() < 10


def cell_of_one_operation(*, null: bool) -> Blueprint:
    return Blueprint(lambda: Cell("c", {"op": lambda channels, stride: Times(2)}, 4, nodes=2, null=null))


def test_inputs_that_only_single_operations_could_rank_are_refused():
    """The softmax of one number is one, whatever the number."""
    with pytest.raises(CannotSearch, match="no parameters for 'c/3/inputs', which chooses 2 of 3"):
        Supernet(cell_of_one_operation(null=False), Softmax()).require_ranks()
    Supernet(cell_of_one_operation(null=True), Softmax()).require_ranks()
    Supernet(cell_of_one_operation(null=False), Sigmoid()).require_ranks()


def test_every_input_needs_something_that_ranks_it():
    """An input whose only operation always has all of the weight would be kept whatever the others learn."""
    two = {name: lambda channels, stride, f=f: Times(f) for name, f in {"a": 2, "b": 3}.items()}
    blueprint = Blueprint(lambda: Cell("c", two, 4, nodes=2))
    Supernet(blueprint, Softmax()).require_ranks()
    with pytest.raises(CannotSearch, match="nothing below it could rank its options"):
        Supernet(blueprint.restrict({"c/3<-0": ["a"]}), Softmax()).require_ranks()
