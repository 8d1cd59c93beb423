from dataclasses import replace

import pytest
import torch
from resuming import Killed, check_interruptions, check_repetition, same_weights
from torch import nn
from torch.nn import functional as F

from nasturtium.core.errors import Diverged, UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.distil import Distillation
from nasturtium.oneshot.paths import PathSampler, UniformPaths
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath, Trained
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.training.augment import in_order
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.normalise import Normalise
from path_search_parts import BLUEPRINTS, CLASSES, FABRIC, TRAIN, VALID

EPOCHS = 3
SETTINGS = PathSettings(epochs=EPOCHS, batch_size=16, learning_rate=0.05, crop_padding=1, mirror=True)


class Favourites(PathSampler):
    """Trains what scored best after the last epoch, and a random path besides."""

    def __init__(self, space, dies_at: int = 0) -> None:
        self.space, self.best, self.left = space, None, dies_at

    def paths(self, rng, progress):
        self.left -= 1
        if self.left == 0:
            raise Killed
        return [self.best or self.space.sample(rng), self.space.sample(rng)]

    def learn(self, score, rng, progress):
        paths = [self.space.sample(rng) for _ in range(3)]
        losses = [found.loss for found in score(paths)]
        self.best = paths[losses.index(min(losses))]

    def state(self):
        return {"best": self.best and self.best.to_json()}

    def load_state(self, state):
        self.best = state["best"] and Architecture.from_json(state["best"])


def training(
    name="chain", sampler=UniformPaths, *, settings=SETTINGS, seed=0, distil=None
) -> tuple[Supernet, SinglePath]:
    supernet = Supernet(BLUEPRINTS[name], seed=seed)
    return supernet, SinglePath(
        supernet, sampler(supernet.space), settings, fabric=FABRIC, seed=seed, distil=distil
    )


def told(found: Trained) -> list:
    """Everything but the seconds."""
    return [replace(epoch, cost={}) for epoch in found.curve]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_same_seed_gives_the_same_training(name):
    check_repetition(lambda seed: training(name, seed=seed), told, TRAIN, VALID)


@pytest.mark.parametrize("steps", [None, 1], ids=["whole epochs", "short epochs"])
@pytest.mark.parametrize("sampler", [UniformPaths, Favourites])
def test_interrupted_after_each_epoch_it_ends_as_if_it_never_was(tmp_path, sampler, steps):
    check_interruptions(
        lambda seed: training("nested", sampler, seed=seed),
        told,
        TRAIN,
        VALID,
        tmp_path,
        epochs=EPOCHS,
        steps=steps,
    )


@pytest.mark.parametrize("call", [1, 2, 3, 5])
def test_killed_inside_an_epoch_it_goes_on_from_the_last_whole_one(tmp_path, call):
    whole, one = training(sampler=Favourites)
    expected = one.run(TRAIN, VALID)
    checkpoints = Checkpoints(tmp_path, "supernet")
    with pytest.raises(Killed):
        training(sampler=lambda space: Favourites(space, call))[1].run(TRAIN, VALID, checkpoints=checkpoints)
    resumed, one = training(sampler=Favourites)
    assert told(one.run(TRAIN, VALID, checkpoints=checkpoints)) == told(expected)
    assert same_weights(resumed, whole)


class Fixed(PathSampler):
    """The same paths at every update."""

    def __init__(self, *paths) -> None:
        self._paths = list(paths)

    def paths(self, rng, progress):
        return self._paths


def two_paths(space):
    return [
        space.validate({"one": "conv1", "two": "conv3"}),
        space.validate({"one": "conv5", "two": "conv3"}),
    ]


PLAIN = PathSettings(
    epochs=1, batch_size=40, learning_rate=0.1, momentum=0, weight_decay=0, gradient_clip=1e9
)


def one_update(distil=None) -> tuple[Supernet, Supernet, tuple]:
    """The supernet before and after an update by two paths, and the batch: all images, in another order."""
    supernet, one = training(sampler=lambda s: Fixed(*two_paths(s)), settings=PLAIN, distil=distil)
    before = Supernet(BLUEPRINTS["chain"], seed=0)
    one.run(TRAIN, VALID, steps=1)
    return before.train(), supernet, next(in_order(TRAIN, 40, normalise=Normalise.measured(TRAIN)))


def stepped(before: Supernet, after: Supernet, losses) -> None:
    """The difference between both is one step along the gradient of the sum of `losses`."""
    sum(losses).backward()
    moved = dict(after.net.named_parameters())
    for name, w in before.net.named_parameters():
        expected = w.detach() if w.grad is None else w.detach() - 0.1 * w.grad
        assert torch.allclose(moved[name], expected, atol=1e-6), name
    assert before.net.layers[0].candidate("conv3")[0].weight.grad is None


def answers(supernet: Supernet, x):
    for arch in two_paths(supernet.space):
        supernet.activate(arch)
        yield supernet(x)


def test_an_update_is_one_step_along_the_sum_of_the_gradients():
    before, after, (x, y) = one_update()
    stepped(before, after, [F.cross_entropy(logits, y) for logits in answers(before, x)])


@pytest.mark.parametrize("labels", [0.0, 0.5])
def test_in_place_the_first_path_teaches_the_others(labels):
    before, after, (x, y) = one_update(Distillation(labels=labels))
    first, second = answers(before, x)
    soft = first.detach().softmax(1)
    taught = -(soft * second.log_softmax(1)).sum(1).mean() + labels * F.cross_entropy(second, y)
    stepped(before, after, [F.cross_entropy(first, y), taught])


def test_a_fixed_teacher_teaches_every_path():
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, CLASSES))
    kept = {name: t.clone() for name, t in teacher.state_dict().items()}
    before, after, (x, y) = one_update(Distillation(teacher, labels=1.0))
    assert all(torch.equal(t, kept[name]) for name, t in teacher.state_dict().items())
    soft = teacher.eval()(x).detach().softmax(1)
    stepped(
        before,
        after,
        [F.cross_entropy(logits, soft) + F.cross_entropy(logits, y) for logits in answers(before, x)],
    )


def test_what_it_costs():
    plain = training(sampler=Favourites)[1].run(TRAIN, VALID, steps=2)
    # per epoch two steps of two paths, one look, and three scores
    assert plain.cost.forward == 3 * (2 * 2 + 1 + 3)
    assert plain.cost.backward == 3 * 2 * 2
    assert plain.cost.samples == 3 * 2 * 2 * 16
    assert plain.cost.epochs == pytest.approx(3 * 2 * 16 / 40)
    assert plain.cost == sum((Cost.from_dict(epoch.cost) for epoch in plain.curve), Cost())
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, CLASSES))
    taught = training(sampler=Favourites, distil=Distillation(teacher))[1].run(TRAIN, VALID, steps=2)
    assert taught.cost.forward == plain.cost.forward + 3 * 2


def phases(tmp_path, *, until: int = 2, on_epoch=lambda _: None) -> Supernet:
    """First only the smallest kernels, then all of them, with the same weights."""
    supernet = Supernet(BLUEPRINTS["chain"], seed=0)
    small = supernet.space.restrict({"one": ["conv1"], "two": ["conv1"]})
    for number, space in enumerate((small, supernet.space)[:until]):
        one = SinglePath(supernet, UniformPaths(space), SETTINGS, fabric=FABRIC, seed=number)
        one.run(TRAIN, VALID, checkpoints=Checkpoints(tmp_path, f"phase{number}"), on_epoch=on_epoch)
    return supernet


def test_phases_follow_each_other_from_one_part_of_the_space_to_the_next(tmp_path):
    fresh = Supernet(BLUEPRINTS["chain"], seed=0).state_dict()
    first = phases(tmp_path / "a", until=1).state_dict()
    untouched = [name for name in first if torch.equal(first[name], fresh[name]) and name.endswith("weight")]
    assert untouched
    assert all(".candidates.1_conv3" in name or ".candidates.2_conv5" in name for name in untouched)
    whole = phases(tmp_path / "b")
    assert not torch.equal(whole.state_dict()[untouched[0]], fresh[untouched[0]])
    told: list[int] = []

    def stop(epoch):
        told.append(epoch.epoch)
        if len(told) == EPOCHS + 2:  # in the second phase
            raise Killed

    with pytest.raises(Killed):
        phases(tmp_path / "c", on_epoch=stop)
    assert same_weights(phases(tmp_path / "c"), whole)


def test_few_validation_images_are_enough():
    few = VALID.subset(range(5))
    assert len(training()[1].run(TRAIN, few, steps=25).curve) == EPOCHS


def test_validation_labels_teach_nothing():
    other = replace(VALID, labels=VALID.labels.flip(0))
    (a, one), (b, two) = training(), training()
    assert told(one.run(TRAIN, VALID)) != told(two.run(TRAIN, other))
    assert same_weights(a, b)


def test_a_loss_that_is_no_number_stops_it_with_the_state_saved(tmp_path):
    class Poison(UniformPaths):
        steps = 0

        def paths(self, rng, progress):
            self.steps += 1
            if self.steps == 3:  # the first step of the second epoch
                with torch.no_grad():
                    supernet.weights()[0].fill_(float("nan"))
            return super().paths(rng, progress)

    supernet, one = training(sampler=Poison)
    checkpoints = Checkpoints(tmp_path, "supernet")
    with pytest.raises(Diverged, match=r"nan \(train\) in epoch 2; lower learning_rate \(now 0.05\)"):
        one.run(TRAIN, VALID, checkpoints=checkpoints)
    saved = checkpoints.latest()
    assert saved is not None
    assert saved[0] == 1
    assert all(t.isfinite().all() for t in saved[1]["supernet"].values())


def test_training_settings_are_refused():
    with pytest.raises(UsageError, match=r"training settings \(train/rate\)"):
        Supernet(BLUEPRINTS["chain"].with_settings([Decision("train/rate", (0.1, 0.01))]))


def test_a_network_without_weights_is_refused():
    supernet = Supernet(Blueprint(lambda: OneOf("act", {"relu": nn.ReLU, "gelu": nn.GELU})), seed=0)
    with pytest.raises(UsageError, match="has no weights to train"):
        SinglePath(supernet, UniformPaths(supernet.space), SETTINGS, fabric=FABRIC, seed=0)
