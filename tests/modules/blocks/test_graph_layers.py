"""Our layers compute what those of torch-geometric compute, from the same weights."""

import pytest
import torch
from torch import nn

from nasturtium.modules.blocks.graph_layers import ARMA, GAT, GCN, GIN, SAGE, Alone, Cheb, Graph

OURS = {
    "gat": lambda: GAT(5, 8, heads=4),
    "gcn": lambda: GCN(5, 8),
    "gin": lambda: GIN(5, 8),
    "cheb": lambda: Cheb(5, 8),
    "sage": lambda: SAGE(5, 8),
    "arma": lambda: ARMA(5, 8),
    "graph": lambda: Graph(5, 8),
}
UNUSED = {"weight", "eps"}  # of ARMA; of GIN, a constant zero


def theirs(name: str) -> nn.Module:
    layers = pytest.importorskip("torch_geometric.nn", reason="pip install 'nasturtium[graph]'")
    return {
        "gat": lambda: layers.GATConv(5, 2, 4),
        "gcn": lambda: layers.GCNConv(5, 8),
        "gin": lambda: layers.GINConv(nn.Linear(5, 8)),
        "cheb": lambda: layers.ChebConv(5, 8, K=2),
        "sage": lambda: layers.SAGEConv(5, 8),
        "arma": lambda: layers.ARMAConv(5, 8),
        "graph": lambda: layers.GraphConv(5, 8),
    }[name]()


GRAPHS = {
    "dense": torch.randint(6, (2, 40), generator=torch.Generator().manual_seed(0)),
    "with loops and a node alone": torch.tensor([[0, 1, 1, 2, 2, 3, 3], [1, 0, 1, 3, 0, 3, 2]]),
    "twice linked": torch.tensor([[0, 0, 1, 4, 5], [1, 1, 0, 5, 4]]),
    "one way": torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]),
    "loops only": torch.tensor([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]),
    "no links": torch.zeros(2, 0, dtype=torch.int64),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", OURS)
def test_the_output_and_gradients_are_those_of_torch_geometric(name, graph):
    torch.manual_seed(0)
    ours, other = OURS[name](), theirs(name)
    for parameter in other.parameters():
        nn.init.normal_(parameter)  # biases, too
    weights = {key: value for key, value in other.state_dict().items() if key not in UNUSED}
    ours.load_state_dict(weights)
    x, links = torch.randn(6, 5), GRAPHS[graph]
    x1, x2 = x.clone().requires_grad_(), x.clone().requires_grad_()
    y1, y2 = ours(x1, links), other(x2, links)
    torch.testing.assert_close(y1, y2, rtol=1e-5, atol=1e-5)
    y1.pow(2).sum().backward()
    y2.pow(2).sum().backward()
    torch.testing.assert_close(x1.grad, x2.grad, rtol=1e-4, atol=1e-4)
    for key, parameter in ours.named_parameters():
        expected = other.get_parameter(key).grad
        expected = torch.zeros_like(parameter) if expected is None else expected
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-4)


def test_a_linear_layer_looks_at_no_neighbour():
    layer = Alone(5, 8)
    x = torch.randn(6, 5)
    assert torch.equal(layer(x, GRAPHS["dense"]), layer(x, GRAPHS["no links"]))


def test_large_scores_stay_finite():
    layer = GAT(5, 8, heads=4)
    assert torch.isfinite(layer(1e4 * torch.randn(6, 5), GRAPHS["dense"])).all()
