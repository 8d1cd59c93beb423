import torch
from torch import Tensor

from nasturtium.oneshot.feed import Feed
from nasturtium.oneshot.settings import WeightSettings
from nasturtium.training.data.image_set import ImageSet

CPU = torch.device("cpu")
SETTINGS = WeightSettings(batch_size=4, crop_padding=1)
Batches = list[tuple[Tensor, Tensor]]


def images(number: int, *, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (number, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(number) % 3, ("a", "b", "c"))


TRAIN, VALID = images(18, seed=0), images(10, seed=1)


def feed(name: str = "a", steps: int | None = None, valid_steps: int | None = None) -> Feed:
    return Feed(TRAIN, VALID, SETTINGS, seed=0, name=name, device=CPU, steps=steps, valid_steps=valid_steps)


def same(one: Batches, other: Batches) -> bool:
    return all(torch.equal(a, b) for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))


def test_both_splits_have_as_many_batches_unless_told_otherwise() -> None:
    whole, long, one = feed(), feed(steps=7), feed(steps=7, valid_steps=1)
    assert [whole.steps, len(list(whole.train())), len(list(whole.valid()))] == [4, 4, 4]
    assert [long.steps, len(list(long.train())), len(list(long.valid()))] == [7, 7, 7]
    assert [one.steps, len(list(one.train())), len(list(one.valid()))] == [7, 7, 1]
    assert whole.images == 18


def test_other_names_draw_other_batches() -> None:
    assert same(list(feed().train()), list(feed().train()))
    assert not same(list(feed().train()), list(feed("b").train()))


def test_both_splits_go_on_where_they_stood() -> None:
    one, other = feed(steps=3), feed(steps=3)
    started = list(one.train()), list(one.valid())
    other.load_state(one.state())
    gone_on = list(one.train()), list(one.valid())
    assert same(gone_on[0], list(other.train()))
    assert same(gone_on[1], list(other.valid()))
    assert not same(started[0], gone_on[0])


def test_images_of_both_are_normalised_by_those_that_teach() -> None:
    pixels = torch.full((8, 1, 4, 4), 100, dtype=torch.uint8)
    pixels[::2] = 200
    train = ImageSet(pixels, torch.arange(8) % 2, ("a", "b"))
    valid = ImageSet(torch.full_like(pixels, 200), torch.arange(8) % 2, ("a", "b"))
    both = Feed(train, valid, WeightSettings(batch_size=8), seed=0, name="a", device=CPU, steps=None)
    (x, _), (v, _) = next(both.train()), next(both.valid())
    assert abs(x.mean().item()) < 1e-5
    assert torch.allclose(v, x.max().expand_as(v))
