import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nasturtium.core.errors import Diverged, NasturtiumError, StorageError, UsageError
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.digits import Digits
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric
from nasturtium.training.evaluate import evaluate
from nasturtium.training.normalise import Normalise
from nasturtium.training.schedule import learning_rate
from nasturtium.training.settings import TrainSettings
from nasturtium.training.trainer import EpochRecord, fit

FABRIC = make_fabric("cpu")


class SmallNet(nn.Module):
    """Convolutions with dropout, BatchNorm, a drop path probability and, if asked, a second head."""

    drop_path_probability = 0.0

    def __init__(self, *, auxiliary: bool = False, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            self.body = nn.Sequential(
                nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Dropout(0.2), nn.Conv2d(8, 16, 1)
            )
            self.head = nn.Linear(16, 10)
            self.auxiliary = nn.Linear(8, 10) if auxiliary else None
        self.seen: list[float] = []

    def forward(self, x):
        if self.training:
            self.seen.append(self.drop_path_probability)
        x = self.stem(x)
        logits = self.head(self.body(x).mean((2, 3)))
        if self.auxiliary is not None and self.training:
            return logits, self.auxiliary(x.mean((2, 3)))
        return logits


def random_images(number: int, *, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(number) % 10, tuple("0123456789"))


class Killed(Exception):
    pass


def killed_after(epoch: int):
    def on_epoch(record: EpochRecord) -> bool:
        if record.epoch == epoch:
            raise Killed
        return True

    return on_epoch


def without_seconds(record: EpochRecord) -> dict[str, object]:
    values = record.to_dict()
    del values["cost"]["seconds"]
    return values


SETTINGS = TrainSettings(epochs=4, batch_size=16, cutout=2, mirror=True, warmup_epochs=1, drop_path=0.2)


@pytest.mark.parametrize("steps", [None, 3, 7])
@pytest.mark.parametrize("kills", [(1,), (1, 2, 3), (4,)])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, steps, kills):
    train, valid = random_images(83), random_images(40, seed=1)
    options = {"seed": 5, "fabric": FABRIC, "valid": valid, "steps_per_epoch": steps}
    whole = fit(SmallNet(), train, SETTINGS, **options)
    checkpoints = Checkpoints(tmp_path, "net")
    for epoch in kills:
        torch.manual_seed(epoch)  # what torch's global generator held before does not matter
        net = SmallNet(seed=0 if epoch == kills[0] else 3)  # a resumed network's own weights are replaced
        with pytest.raises(Killed):
            fit(net, train, SETTINGS, checkpoints=checkpoints, on_epoch=killed_after(epoch), **options)
    told: list[int] = []
    resumed = fit(
        SmallNet(seed=3),
        train,
        SETTINGS,
        checkpoints=checkpoints,
        on_epoch=lambda record: told.append(record.epoch) is None,
        **options,
    )
    expected = whole.net.state_dict()
    assert told == [1, 2, 3, 4]
    assert all(torch.equal(value, expected[name]) for name, value in resumed.net.state_dict().items())
    assert [without_seconds(r) for r in resumed.curve] == [without_seconds(r) for r in whole.curve]
    assert resumed.cost.samples == whole.cost.samples


def part(folder, name, epochs, before=None, **options):
    """A part of the training by `SETTINGS`, in a folder of its own."""
    return fit(
        SmallNet(seed=0),
        random_images(83),
        SETTINGS,
        seed=5,
        fabric=FABRIC,
        valid=random_images(40, seed=1),
        checkpoints=Checkpoints(folder / name, "net"),
        before=None if before is None else Checkpoints(folder / before, "net"),
        epochs=epochs,
        **options,
    )


@pytest.mark.parametrize("killed", [False, True])
def test_a_training_in_parts_ends_with_the_same_bits_and_costs_as_much(tmp_path, killed):
    whole = part(tmp_path, "whole", 4)
    parts = [part(tmp_path, "a", 1), part(tmp_path, "b", 2, "a")]
    if killed:
        with pytest.raises(Killed):
            part(tmp_path, "c", 4, "b", on_epoch=killed_after(3))
    parts.append(part(tmp_path, "c", 4, "b"))
    expected = whole.net.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in parts[-1].net.state_dict().items())
    assert [without_seconds(r) for r in parts[-1].curve] == [without_seconds(r) for r in whole.curve]
    assert [p.cost.backward for p in parts] == [
        len(p.curve[n:]) * 5 for p, n in zip(parts, (0, 1, 2), strict=True)
    ]
    assert sum(p.cost.samples for p in parts) == whole.cost.samples


def test_a_part_whose_beginning_is_gone_or_another_ones_is_not_begun_anew(tmp_path):
    with pytest.raises(NasturtiumError, match="no intact checkpoint in .*/a, from which") as error:
        part(tmp_path, "b", 2, "a")
    assert not isinstance(error.value, StorageError)  # which would end the whole search
    part(tmp_path, "a", 1)
    (newest,) = (tmp_path / "a").glob("*.checkpoint")
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.raises(NasturtiumError, match="no intact checkpoint"):
        part(tmp_path, "b", 2, "a")
    fit(
        SmallNet(),
        random_images(83),
        SETTINGS,
        seed=6,
        fabric=FABRIC,
        checkpoints=Checkpoints(tmp_path / "c", "net"),
    )
    with pytest.raises(UsageError, match="another training: seed was 6, now 5"):
        part(tmp_path, "b", 2, "c")
    assert not (tmp_path / "b").exists()


def test_the_seed_decides_and_the_global_generator_is_untouched():
    train = random_images(64)
    settings = TrainSettings(epochs=1, batch_size=16)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    nets = [fit(SmallNet(), train, settings, seed=seed, fabric=FABRIC).net.state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(nets[0]["head.weight"], nets[1]["head.weight"])
    assert not torch.equal(nets[0]["head.weight"], nets[2]["head.weight"])


def test_one_epoch_is_sgd_with_clipping_written_out_by_hand():
    train = random_images(30)
    settings = TrainSettings(
        epochs=3, batch_size=30, crop_padding=0, gradient_clip=0.05, label_smoothing=0.1, weight_decay=0.01
    )

    def make() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    net = fit(make(), train, settings, seed=0, fabric=FABRIC).net
    reference = make()
    weights = list(reference.parameters())
    x, momentum = (
        Normalise.measured(train)(train.images.float() / 255),
        [torch.zeros_like(w) for w in weights],
    )
    for step in range(3):  # the batch is the whole set, so its order matters only to rounding
        gradients = torch.autograd.grad(
            F.cross_entropy(reference(x), train.labels, label_smoothing=0.1), weights
        )
        norm = torch.sqrt(sum(g.square().sum() for g in gradients))
        assert norm > 0.05
        for weight, gradient, velocity in zip(weights, gradients, momentum, strict=True):
            velocity.mul_(0.9).add_(gradient * 0.05 / norm + 0.01 * weight.detach())
            weight.data -= learning_rate(settings, step, 1) * velocity
    for ours, expected in zip(net.parameters(), weights, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def test_the_ledger_counts_passes_samples_and_epochs():
    result = fit(
        SmallNet(),
        random_images(50),
        TrainSettings(epochs=2, batch_size=16),
        seed=0,
        fabric=FABRIC,
        valid=random_images(300),
    )
    cost = result.cost
    assert (cost.forward, cost.backward, cost.samples) == (2 * (3 + 2), 6, 96)
    assert cost.epochs == pytest.approx(96 / 50)
    assert cost.seconds == pytest.approx(sum(record.cost.seconds for record in result.curve))
    assert result.curve[0] == EpochRecord.from_dict(result.curve[0].to_dict())


def test_on_epoch_stops_the_training_also_after_a_resume(tmp_path):
    calls: list[int] = []

    def stop_at_two(record: EpochRecord) -> bool:
        calls.append(record.epoch)
        return record.epoch < 2

    for _ in range(2):
        result = fit(
            SmallNet(),
            random_images(32),
            TrainSettings(epochs=5, batch_size=16),
            seed=0,
            fabric=FABRIC,
            checkpoints=Checkpoints(tmp_path, "net"),
            on_epoch=stop_at_two,
        )
        assert len(result.curve) == 2
    assert calls == [1, 2, 1, 2]


def test_drop_path_grows_with_the_epochs():
    net = SmallNet()
    fit(net, random_images(32), TrainSettings(epochs=4, batch_size=16, drop_path=0.4), seed=0, fabric=FABRIC)
    assert net.seen == pytest.approx([0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3])


def test_the_auxiliary_head_is_trained_only_with_a_weight():
    train, first = random_images(32), SmallNet(auxiliary=True).auxiliary.weight
    for weight, moved in ((0.4, True), (0.0, False)):
        settings = TrainSettings(epochs=1, batch_size=16, auxiliary=weight)
        net = fit(SmallNet(auxiliary=True), train, settings, seed=0, fabric=FABRIC).net
        assert torch.equal(net.auxiliary.weight, first) is not moved
    with pytest.raises(UsageError, match="SmallNet returned no auxiliary logits"):
        fit(SmallNet(), train, TrainSettings(auxiliary=0.4), seed=0, fabric=FABRIC)


class Exploding(SmallNet):
    """Sound until its ninth training batch."""

    def forward(self, x):
        logits = super().forward(x)
        return logits * float("inf") if len(self.seen) == 9 else logits


def test_divergence_says_where_and_keeps_the_last_epoch(tmp_path):
    checkpoints = Checkpoints(tmp_path, "net")
    settings = TrainSettings(epochs=5, batch_size=16, learning_rate=0.3)
    with pytest.raises(Diverged, match=r"loss .* epoch 3, step 1 of 4, .*learning_rate \(now 0\.3\).*saved"):
        fit(Exploding(), random_images(64), settings, seed=0, fabric=FABRIC, checkpoints=checkpoints)
    assert checkpoints.latest()[0] == 2


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, "net")
    settings = TrainSettings(epochs=1, batch_size=16)
    options = {"fabric": FABRIC, "checkpoints": checkpoints}
    fit(SmallNet(), random_images(32), settings, seed=0, **options)
    with pytest.raises(UsageError, match="seed was 0, now 1"):
        fit(SmallNet(), random_images(32), settings, seed=1, **options)
    with pytest.raises(UsageError, match="training images"):
        fit(SmallNet(), random_images(32, seed=1), settings, seed=0, **options)
    with pytest.raises(UsageError, match="settings"):
        fit(SmallNet(), random_images(32), TrainSettings(epochs=2), seed=0, **options)


def test_evaluation_agrees_with_the_exported_form():
    images = random_images(70)
    net = SmallNet().train()
    normalise = Normalise.measured(images)
    found = evaluate(net, images, normalise, fabric=FABRIC, batch_size=32)
    assert net.training
    with torch.inference_mode():
        logits = nn.Sequential(normalise, net).eval()(images.images.float() / 255)
    assert found["loss"] == pytest.approx(float(F.cross_entropy(logits, images.labels)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == images.labels).float().mean()))


def test_bf16_trains_on_a_cpu():
    fabric = make_fabric("cpu", "bf16")
    result = fit(SmallNet(), random_images(32), TrainSettings(epochs=1, batch_size=16), seed=0, fabric=fabric)
    assert result.net.head.weight.dtype == torch.float32


def test_a_small_network_learns_the_digits():
    splits = Digits().splits(0)
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10)),
    )
    settings = TrainSettings(epochs=10)
    result = fit(net, splits.search_train, settings, seed=0, fabric=FABRIC, valid=splits.search_valid)
    assert result.curve[-1].valid_accuracy > 0.9
    assert not result.net.training
    assert all(weight.is_contiguous() for weight in result.net.parameters())
