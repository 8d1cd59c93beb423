import itertools

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces.base import make_space

SMALL = {"vocabulary": 20, "width": 8, "blocks": 3, "units": 32}


def arch(kinds, edges, fields=3):
    """Blocks of these kinds, wired by pairs (source, block); layers have 4 units, embeddings width 2."""
    values = {f"field{i}/width": 2 for i in range(1, fields + 1)}
    for i, kind in enumerate(kinds, start=1):
        values[f"block{i}/kind"] = kind
        values |= {f"block{i}/units": 4} if kind == "layer" else {}
        for j in range(i):
            name = "fields" if j == 0 else f"block{j}"
            values[f"block{i}/from {name}"] = "yes" if (j, i) in edges else "no"
    return Architecture(values)


def build(kinds, edges, fields=3):
    blueprint = make_space("recommender", (fields,), 2, SMALL | {"blocks": len(kinds)})
    return blueprint, blueprint.build(arch(kinds, edges, fields), seed=0).eval()


@pytest.mark.parametrize(("fields", "blocks"), [(2, 1), (1, 3)])
def test_the_size_is_that_of_non_empty_inputs_and_kinds(fields, blocks):
    """Block i uses some of i states; it is one of two interactions or a layer of 6 widths."""
    blueprint = make_space("recommender", (fields,), 2, SMALL | {"blocks": blocks})
    expected = 4**fields
    for i in range(1, blocks + 1):
        expected *= (2**i - 1) * (2 + 6)
    assert blueprint.space.size() == expected


def test_the_published_number_of_blocks_is_counted():
    expected = 4**39
    for i in range(1, 8):
        expected *= (2**i - 1) * (2 + 6)
    assert make_space("recommender", (39,), 2).space.size() == expected


def test_a_block_without_inputs_is_refused():
    blueprint = make_space("recommender", (3,), 2, SMALL | {"blocks": 2})
    with pytest.raises(UsageError, match="every block needs an input .got block2/from block1=no"):
        blueprint.space.validate(arch(("layer", "layer"), {(0, 1)}))


def test_a_factorisation_machine_adds_all_pairs():
    _, net = build(("factorisation", "factorisation"), {(0, 1), (0, 2), (1, 2)})
    states = [torch.randn(5, 3, 8), torch.randn(5, 1, 8)]
    block = net.blocks[1]
    vectors = torch.cat(states, dim=1)
    pairs = sum((vectors[:, i] * vectors[:, j]).sum(dim=1) for i, j in itertools.combinations(range(4), 2))
    expected = block.leave(block.first_order(states) + pairs[:, None])
    torch.testing.assert_close(block(states), expected)


def test_dot_products_are_of_each_pair_once():
    _, net = build(("layer", "dot products"), {(0, 1), (0, 2), (1, 2)})
    first, second = torch.randn(5, 3, 8), torch.randn(5, 1, 8)
    block = net.blocks[1]
    assert [part.linear.in_features for part in block.parts] == [6, 3, 1]
    within, across, itself = block.parts
    products = [(first[:, i] * first[:, j]).sum(dim=1) for i in range(3) for j in range(i, 3)]
    expected = within.linear(torch.stack(products, dim=1))
    expected = expected + across.linear((first * second).sum(dim=2))
    expected = expected + itself.linear(second.pow(2).sum(dim=2))
    torch.testing.assert_close(block([first, second]), expected)


def test_the_classifier_takes_what_no_block_uses():
    blueprint, net = build(("layer", "dot products", "layer"), {(0, 1), (0, 2), (1, 3)})
    assert net.classifier.keys == ((2,), (3,))
    (graph,) = cell_graphs(
        arch(("layer", "dot products", "layer"), {(0, 1), (0, 2), (1, 3)}), blueprint.space
    )
    assert graph.output == (2, 3)
    assert graph.edges == ((0, 1, ""), (0, 2, ""), (1, 3, ""))
    assert graph.ops == ("", "layer 4", "dot products", "layer 4")


def test_blocks_in_another_order_are_the_same_network():
    space = make_space("recommender", (3,), 2, SMALL).space
    one = arch(("layer", "dot products", "factorisation"), {(0, 1), (0, 2), (2, 3)})
    other = arch(("dot products", "layer", "factorisation"), {(0, 1), (0, 2), (1, 3)})
    different = arch(("dot products", "layer", "factorisation"), {(0, 1), (0, 2), (2, 3)})
    assert space.canonical(one) == space.canonical(other) != space.canonical(different)
    wider = Architecture({**one, "field1/width": 4})
    assert space.canonical(wider) != space.canonical(one)


def test_a_derived_network_has_only_the_chosen_weights():
    _, net = build(("layer", "layer"), {(0, 1), (0, 2)})
    assert [tuple(embed[0].weight.shape) for embed in net.fields.embeddings] == [(20, 2)] * 3
    assert [len(block.enter.parts) for block in net.blocks] == [1, 1]
    assert net.blocks[0].enter.parts[0][1].weight.shape == (4, 3 * 8)


def test_sampled_networks_use_something_in_every_block():
    space = make_space("recommender", (3,), 2, SMALL).space
    rng = np.random.default_rng(0)
    for _ in range(30):
        (graph,) = cell_graphs(space.sample(rng), space)
        assert {target for _, target, _ in graph.edges} == {1, 2, 3}


def test_a_table_without_fields_is_refused():
    with pytest.raises(
        UsageError, match=r"takes fields of a shape such as .39,., whole numbers from 1; got \(0,\)"
    ):
        make_space("recommender", (0,), 2, SMALL)
