import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import make_space
from nasturtium.strategies.learned.autoencoder import Autoencoder, LatentSearch
from space.space_examples import condition, conditional, darts_like, draws, when


def trained(space, archs, *, steps=400):
    """On architectures that are worth the more the more options they take from the front of the list."""
    front = [d.options[0] for d in space.decisions.values()]
    worth = np.array(
        [sum(value == first for value, first in zip(a.values(), front, strict=False)) for a in archs]
    )
    search = LatentSearch(space, seed=0, learning_rate=0.01, trade=0.8)
    search.learn(archs, (worth - worth.mean()) / max(worth.std(), 1e-9), steps=steps)
    return search


def repaired(space, search, archs):
    """What is decoded where `archs` are, completed."""
    rng = np.random.default_rng(0)
    points = search.net.points(search.net.rows(archs))
    return [space.complete(wish, rng) for wish in search.net.decoded(points)]


@pytest.mark.parametrize(("make", "number"), [(conditional, 10), (darts_like, 30)])
def test_the_decoder_rebuilds_what_it_was_trained_on(make, number):
    """Conditional and k-of-n decisions too."""
    space = make()
    archs = list(dict.fromkeys(draws(space, number)))
    assert repaired(space, trained(space, archs, steps=1), archs) != archs, "it is not rebuilt by chance"
    assert repaired(space, trained(space, archs), archs) == archs


def test_a_step_uphill_raises_the_prediction():
    space = darts_like()
    search = trained(space, list(draws(space, 40)))
    points = search.net.points(search.net.rows(list(draws(space, 20, seed=1)))).detach()
    direction = search.net.uphill(points)
    assert torch.allclose(direction.norm(dim=1), torch.ones(20))
    before, after = (search.net.worth(at).detach() for at in (points, points + 1e-2 * direction))
    assert (after > before).all()
    slope = (after - before) / 1e-2
    sideways = torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    sideways = sideways / sideways.norm(dim=1, keepdim=True)
    assert (slope > (search.net.worth(points + 1e-2 * sideways).detach() - before) / 1e-2).all(), (
        "the steepest"
    )


def test_longer_steps_lead_to_better_architectures():
    """They are worth the number of first options, and half as many again are found as in the best known."""
    space = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(12)])
    archs = list(draws(space, 60))
    search = trained(space, archs)
    firsts = [sum(value == "a" for value in wish.values()) for wish in search.improved(archs[:10], [2.0])]
    assert np.mean(firsts) > max(sum(v == "a" for v in arch.values()) for arch in archs[:10])


def test_the_loss_is_the_papers():
    """Two decisions, the second of them switched on by the first; by hand from the decoder's output."""
    space = SearchSpace(
        [Decision("on", ("yes", "no")), Decision("two", (0, 1, 2), k=2)],
        {"two": condition([when("on", "yes")])},
    )
    net = Autoencoder(space, seed=0)
    archs = [space.validate({"on": "yes", "two": (0, 2)}), space.validate({"on": "no"})]
    rows, worth = net.rows(archs), torch.tensor([1.0, -2.0])
    points = net.points(rows)
    on, two = (block.softmax(dim=1).log() for block in net.decoder(points).split([2, 3], dim=1))
    rebuilt = on[0, 0] + on[1, 1] + (two[0, 0] + two[0, 2]) / 2
    error = ((net.worth(points) - worth) ** 2).mean()
    expected = 0.7 * error - 0.3 * rebuilt / 3  # three decisions are made
    assert net.loss(rows, worth, trade=0.7).item() == pytest.approx(expected.item(), rel=1e-5)


def test_weights_come_from_the_seed():
    before = torch.get_rng_state()
    one, same, other = (Autoencoder(darts_like(), seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_space_without_end_is_refused():
    with pytest.raises(UsageError, match="no list of them"):
        Autoencoder(make_space("network-morphism", (1, 8, 8), 3, {}).space, seed=0)
