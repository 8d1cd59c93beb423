import copy
from dataclasses import replace

import pytest
import torch
from resuming import Killed, check_interruptions, check_repetition, same_weights

from nasturtium.core.errors import Diverged, UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.oneshot.arch_step import FirstOrder, SecondOrder
from nasturtium.oneshot.bilevel import Bilevel, Found
from nasturtium.oneshot.diagnostics import entropy
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost
from nasturtium.space.discretize import discretize
from nasturtium.spaces.nasbench201 import nasbench201
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric

FABRIC = make_fabric("cpu")
EPOCHS = 3
SETTINGS = BilevelSettings(epochs=EPOCHS, batch_size=16, alpha_learning_rate=0.1, crop_padding=1, mirror=True)


def images(number: int, *, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (number, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(number) % 3, ("a", "b", "c"))


TRAIN, VALID = images(40), images(24, seed=1)


def blueprint() -> Blueprint:
    return nasbench201((1, 8, 8), 3, channels=4, cells=1)


def bilevel(step=None, *, settings=SETTINGS, seed: int = 0) -> tuple[Supernet, Bilevel]:
    supernet = Supernet(blueprint(), Softmax(), seed=seed)
    return supernet, Bilevel(supernet, step or FirstOrder(), settings, fabric=FABRIC, seed=seed)


def told(found: Found) -> list:
    """Everything but the seconds."""
    return [found.architecture, [replace(epoch, cost={}) for epoch in found.curve]]


@pytest.mark.parametrize("step", [FirstOrder(), SecondOrder()], ids=["first", "second"])
def test_the_same_seed_gives_the_same_search(step):
    check_repetition(lambda seed: bilevel(step, seed=seed), told, TRAIN, VALID)


@pytest.mark.parametrize("steps", [None, 1], ids=["whole epochs", "short epochs"])
@pytest.mark.parametrize("step", [FirstOrder(), SecondOrder()], ids=["first", "second"])
def test_interrupted_after_each_epoch_it_ends_as_if_it_never_was(tmp_path, step, steps):
    check_interruptions(
        lambda seed: bilevel(step, seed=seed), told, TRAIN, VALID, tmp_path, epochs=EPOCHS, steps=steps
    )


class DiesAt:
    """First order, until the process dies in the middle of an epoch."""

    passes = 1
    backward_passes = 1

    def __init__(self, call: int) -> None:
        self.left = call

    def gradient(self, *arguments):
        self.left -= 1
        if self.left == 0:
            raise Killed
        return FirstOrder().gradient(*arguments)


@pytest.mark.parametrize("call", [1, 2, 3, 4, 6])
def test_killed_inside_an_epoch_it_goes_on_from_the_last_whole_one(tmp_path, call):
    whole, search = bilevel()
    expected = search.run(TRAIN, VALID)
    checkpoints = Checkpoints(tmp_path, "search")
    with pytest.raises(Killed):
        bilevel(DiesAt(call))[1].run(TRAIN, VALID, checkpoints=checkpoints)
    resumed, search = bilevel()
    assert told(search.run(TRAIN, VALID, checkpoints=checkpoints)) == told(expected)
    assert same_weights(resumed, whole)


def test_a_finished_search_is_not_run_again(tmp_path):
    checkpoints = Checkpoints(tmp_path, "search")
    expected = bilevel()[1].run(TRAIN, VALID, checkpoints=checkpoints)
    found = bilevel(DiesAt(1))[1].run(TRAIN, VALID, checkpoints=checkpoints)
    assert found == expected


def test_what_it_reports():
    supernet, search = bilevel(SecondOrder())
    found = search.run(TRAIN, VALID, steps=2)
    assert found.architecture == supernet.architecture()
    assert [epoch.epoch for epoch in found.curve] == [1, 2, 3]
    last = found.curve[-1]
    assert last.probabilities == {name: p.tolist() for name, p in supernet.probabilities().items()}
    assert len(last.probabilities) == 6
    assert 0 <= last.valid_accuracy <= 1
    # per step four passes for the architecture and one for the weights, a batch of 16 from either split
    assert found.cost.forward == found.cost.backward == 3 * 2 * 5
    assert found.cost.samples == 3 * 2 * 2 * 16
    assert found.cost.epochs == pytest.approx(3 * 2 * 16 / 40)
    assert found.cost == sum((Cost.from_dict(epoch.cost) for epoch in found.curve), Cost())


class Still:
    """An architecture step without a gradient, and without a look at the validation images' labels."""

    passes = 1
    backward_passes = 1

    def gradient(self, supernet, train, valid, loss, optimizer):
        with torch.no_grad():
            loss(supernet(valid[0]), valid[1])
        return {name: torch.zeros_like(alpha) for name, alpha in supernet.alphas.items()}


def test_validation_labels_move_the_architecture_but_never_the_weights():
    """The weights of two searches differ only once the architecture does."""
    settings = SETTINGS.model_copy(update={"alpha_weight_decay": 0.0})
    other = ImageSet(VALID.images, VALID.labels.flip(0), VALID.classes)
    still = []
    for valid in (VALID, other):
        supernet, search = bilevel(Still(), settings=settings)
        start = copy.deepcopy(supernet.state_dict())
        search.run(TRAIN, valid)
        still.append(supernet)
        assert all(torch.equal(alpha, start[f"alphas.{name}"]) for name, alpha in supernet.alphas.items())
        assert not torch.equal(supernet.weights()[0], start["net.0.0.weight"])
    assert same_weights(*still)
    moving = []
    for valid in (VALID, other):
        supernet, search = bilevel(settings=settings)
        search.run(TRAIN, valid, steps=1)
        moving.append(supernet)
    assert not any(torch.equal(moving[0].alphas[name], moving[1].alphas[name]) for name in moving[0].alphas)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_loss_that_is_no_number_stops_it_with_the_state_saved(tmp_path, epoch):
    class Poison(DiesAt):
        def gradient(self, supernet, *arguments):
            self.left -= 1
            if self.left == 0:
                with torch.no_grad():
                    supernet.weights()[0].fill_(float("nan"))
            return FirstOrder().gradient(supernet, *arguments)

    checkpoints = Checkpoints(tmp_path, "search")
    message = f"nan.*epoch {epoch};.*lower learning_rate.*0.025.*alpha_learning_rate"
    with pytest.raises(Diverged, match=message):
        bilevel(Poison(2 * epoch))[1].run(TRAIN, VALID, checkpoints=checkpoints)
    saved = checkpoints.latest()
    assert (saved is None) == (epoch == 1)
    if saved is not None:
        assert saved[0] == 1
        assert all(t.isfinite().all() for t in saved[1]["supernet"].values())


def test_wrong_settings_are_all_named_at_once():
    with pytest.raises(UsageError) as error:
        BilevelSettings.parse({"epochs": 0, "learning_rates": 1, "momentum": 1.5})
    message = str(error.value)
    assert message.startswith("search settings (`nasturtium methods NAME` lists them):")
    assert "epochs = 0" in message
    assert "momentum = 1.5" in message
    assert "'learning_rates': did you mean 'learning_rate'" in message


def with_dropouts(**changes) -> tuple[Supernet, Bilevel]:
    settings = SETTINGS.model_copy(update={"skip_dropout": 0.6, "path_dropout": 0.2, **changes})
    supernet = Supernet(blueprint(), Softmax(), skip_dropout=True)
    return supernet, Bilevel(supernet, FirstOrder(), settings, fabric=FABRIC, seed=0)


def test_skip_connections_drop_less_and_paths_more_as_the_search_goes_on():
    supernet, search = with_dropouts()
    rates: list[list[float]] = []
    (drops,) = supernet.filters

    def note(epoch):
        rates.append([epoch.epoch, supernet.skip_dropouts()[0].rate, drops.progress])

    search.run(TRAIN, VALID, steps=1, on_epoch=note)
    assert rates == [pytest.approx(row) for row in ([1, 0.6, 0.0], [2, 0.3, 0.5], [3, 0.0, 1.0])]
    assert len({skip.rate for skip in supernet.skip_dropouts()}) == 1
    assert Bilevel(supernet, FirstOrder(), SETTINGS, fabric=FABRIC, seed=0)._supernet.filters == [drops]


def test_interrupted_with_dropouts_it_ends_as_if_it_never_was(tmp_path):
    whole, search = with_dropouts()
    expected = search.run(TRAIN, VALID)
    assert told(expected) != told(bilevel()[1].run(TRAIN, VALID))

    def stop(epoch):
        raise Killed

    checkpoints = Checkpoints(tmp_path, "search")
    with pytest.raises(Killed):
        with_dropouts()[1].run(TRAIN, VALID, checkpoints=checkpoints, on_epoch=stop)
    resumed, search = with_dropouts()
    assert told(search.run(TRAIN, VALID, checkpoints=checkpoints)) == told(expected)
    assert same_weights(resumed, whole)


def test_all_passes_of_the_second_order_drop_the_same():
    """Otherwise chance would be in the finite difference, divided by a small number."""
    supernet, search = with_dropouts()
    supernet.set_skip_dropout(0.5)
    supernet.filters[0].progress = 1.0
    passes: list[list[torch.Tensor]] = []
    supernet.net.register_forward_pre_hook(lambda *_: passes.append([]))
    for skip in supernet.skip_dropouts():
        skip.register_forward_hook(lambda _, x, y: passes[-1].append((y == 0) & (x[0] != 0)))
    batch = (torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3)
    SecondOrder().gradient(supernet, batch, batch, torch.nn.functional.cross_entropy, search._sgd)
    assert len(passes) == 4
    first, *others = passes
    assert 0 < len(first) < len(supernet.skip_dropouts())  # some are themselves dropped
    for dropped in others:
        assert all(torch.equal(a, b) for a, b in zip(first, dropped, strict=True))


def test_curvature_is_measured_when_wanted_and_changes_nothing_but_the_cost():
    plain = bilevel()[1].run(TRAIN, VALID)
    settings = SETTINGS.model_copy(update={"eigenvalue_every": 2})
    found = bilevel(settings=settings)[1].run(TRAIN, VALID)
    assert [epoch.eigenvalue is None for epoch in found.curve] == [True, False, True]
    assert found.curve[1].cost["forward"] > plain.curve[1].cost["forward"] + 5
    assert found.curve[2].cost["forward"] == plain.curve[2].cost["forward"]
    unmeasured = [replace(epoch, eigenvalue=None) for epoch in found.curve]
    assert told(replace(found, curve=tuple(unmeasured))) == told(plain)


def test_every_epoch_tells_what_the_architecture_is_like():
    supernet, search = bilevel()
    last = search.run(TRAIN, VALID).curve[-1]
    ops = list(supernet.architecture().values())
    assert last.skips == ops.count("skip_connect")
    free = ("none", "skip_connect", "avg_pool_3x3")
    assert last.free_share == pytest.approx(sum(op in free for op in ops) / 6)
    assert last.entropy == pytest.approx(entropy(last.probabilities))
    assert 0 < last.entropy < 1


class StopsAt:
    """Ends a search with the second epoch's architecture after `last` epochs."""

    def __init__(self, last: int) -> None:
        self.last = last

    def kept(self, curve, epochs):
        assert epochs == EPOCHS
        return 2 if len(curve) >= self.last else None

    def remark(self, curve, epochs):
        return "enough"


@pytest.mark.parametrize("last", [2, 3, 4])
def test_a_search_that_is_stopped_gives_the_architecture_of_the_epoch_it_goes_back_to(last):
    whole = bilevel()[1].run(TRAIN, VALID)
    supernet = Supernet(blueprint(), Softmax())
    search = Bilevel(supernet, FirstOrder(), SETTINGS, fabric=FABRIC, seed=0, stop=StopsAt(last))
    found = search.run(TRAIN, VALID)
    assert [e.probabilities for e in found.curve] == [e.probabilities for e in whole.curve[:last]]
    assert found.epoch == (2 if last <= EPOCHS else EPOCHS)
    assert found.architecture == discretize(supernet.space, found.curve[found.epoch - 1].probabilities)


def test_a_stopped_search_resumes_to_the_same_end(tmp_path):
    def search() -> Bilevel:
        supernet = Supernet(blueprint(), Softmax())
        return Bilevel(supernet, FirstOrder(), SETTINGS, fabric=FABRIC, seed=0, stop=StopsAt(2))

    checkpoints = Checkpoints(tmp_path, "search")
    found = search().run(TRAIN, VALID, checkpoints=checkpoints)
    assert search().run(TRAIN, VALID, checkpoints=checkpoints) == found
