import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import make_space
from nasturtium.spaces.language_model import GATED, PLAIN, language_model

LENGTH, VOCABULARY = 14, 11
SIZES = {"width": 48, "layers": 2, "window": 4, "stride": 3}
PLAINEST = {"heads": 3, "ratio": 2, "attention": "full", "conv": "none", "unit": "gelu", "before": "none"}
CHANGES = [
    {},
    {"attention": "local"},
    {"attention": "strided"},
    {"conv": "dconv_3"},
    {"before": "glu"},
    {"before": "sep_conv"},
    *({"unit": unit} for unit in (*PLAIN, *GATED)),
    {"attention": "strided", "conv": "dconv_3", "before": "sep_conv", "unit": "swiglu"},
]


def blueprint():
    return language_model((LENGTH,), VOCABULARY, **SIZES)


def point(depth=1, width=24, **changes) -> Architecture:
    layer = PLAINEST | changes
    values = {f"layer{i + 1}/{what}": value for i in range(depth) for what, value in layer.items()}
    return Architecture({"network/width": width, "network/depth": depth} | values)


def lively(net: nn.Module) -> nn.Module:
    """Weights as large as training makes them, so that what is seen also shows."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


def tokens(batch=2, seed=0):
    return torch.randint(VOCABULARY, (batch, LENGTH), generator=torch.Generator().manual_seed(seed))


def seen_by(net) -> list[set[int]]:
    """For each position, the positions whose token changes its output."""
    x = tokens(1)
    others = x.repeat(LENGTH, 1)
    others[range(LENGTH), range(LENGTH)] = (x[0] + 1) % VOCABULARY
    with torch.no_grad():
        moved = (net(others) - net(x)).abs().amax(-1) > 1e-6  # changed token × position
    return [set(column.nonzero().flatten().tolist()) for column in moved.T]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda c: "-".join(map(str, c.values())) or "plain")
@pytest.mark.parametrize("shared", [False, True], ids=["built", "path"])
def test_nothing_sees_a_later_token(changes, shared):
    arch = point(depth=2, **changes)
    if shared:
        net = lively(Supernet(blueprint(), seed=0))
        net.activate(arch)
    else:
        net = lively(blueprint().build(arch, seed=0))
    for position, seen in enumerate(seen_by(net)):
        assert position in seen
        assert max(seen) == position


def test_each_pattern_sees_what_it_says():
    for pattern, sees in (
        ("full", lambda back: True),
        ("local", lambda back: back < 4),
        ("strided", lambda back: back < 3 or back % 3 == 0),
    ):
        net = lively(blueprint().build(point(attention=pattern), seed=0))
        for position, seen in enumerate(seen_by(net)):
            assert seen == {j for j in range(position + 1) if sees(position - j)}


@pytest.mark.parametrize(
    ("changes", "reach"), [({"conv": "dconv_3"}, 4 + 2), ({"before": "sep_conv"}, 4 + 10 + 6)]
)
def test_convolutions_reach_as_far_back_as_they_are_wide(changes, reach):
    net = lively(blueprint().build(point(attention="local", **changes), seed=0))
    for position, seen in enumerate(seen_by(net)):
        assert seen == set(range(max(0, position - reach + 1), position + 1))


@pytest.mark.parametrize("unit", [*PLAIN, *GATED])
def test_units_by_hand(unit):
    part = lively(blueprint().build(point(unit=unit), seed=0)).blocks[0].feed_forward
    x = torch.randn(2, 3, 24)
    up = part.up(x)
    expected = {
        "relu": lambda: F.relu(up),
        "gelu": lambda: F.gelu(up),
        "silu": lambda: up * up.sigmoid(),
        "squared_relu": lambda: up.clamp(min=0) ** 2,
        "glu": lambda: F.glu(torch.cat([up, part.unit.gate(x)], -1), -1),
        "geglu": lambda: F.gelu(part.unit.gate(x)) * up,
        "swiglu": lambda: F.silu(part.unit.gate(x)) * up,
    }[unit]()
    torch.testing.assert_close(part(x), part.down(expected))


@pytest.mark.parametrize("width", [24, 36, 48])
def test_token_vectors_are_the_weights_of_the_output(width):
    net = lively(blueprint().build(point(width=width), seed=0))
    assert net.output.embedding is net.embedding
    assert type(net.embedding) is nn.Embedding
    assert net.embedding.weight.shape == (VOCABULARY, width)
    outputs = []
    net.norm.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    torch.testing.assert_close(net(tokens()), outputs[0] @ net.embedding.weight.T)


def test_derived_networks_stay_tied_and_equal_the_path():
    supernet = Supernet(blueprint(), seed=0)
    lively(supernet)
    for changes in CHANGES:
        arch = point(depth=2, width=36, **changes)
        supernet.activate(arch)
        plain = derive(supernet.net, arch)
        assert plain.output.embedding is plain.embedding
        with torch.no_grad():
            torch.testing.assert_close(plain(tokens()), supernet(tokens()), rtol=1e-5, atol=1e-5)


def test_it_learns_to_repeat():
    """A few steps on sequences that alternate between two tokens."""
    net = blueprint().build(point(unit="squared_relu", conv="dconv_3"), seed=0).train()
    x = torch.tensor([[i % 2 * 3 + 1 for i in range(LENGTH + 1)]])
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(30):
        loss = F.cross_entropy(net(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_a_width_that_heads_cannot_split_is_refused():
    with pytest.raises(UsageError, match="'language-model': 'width' must be a multiple of 48, got 64"):
        make_space("language-model", (8,), 5, {"width": 64})


def test_gpt2_is_a_point_at_its_own_sizes_only():
    assert set(language_model((8,), 5).points) == {"GPT-2 small"}
    assert language_model((8,), 5, width=384).points == language_model((8,), 5, layers=6).points == {}
