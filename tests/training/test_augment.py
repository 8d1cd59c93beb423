import pytest
import torch
import torch.nn.functional as F

from nasturtium.core.errors import UsageError
from nasturtium.training.augment import Augment, Batches, in_order
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise

PLAIN = Normalise((0.0,), (1.0,))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(number: int) -> ImageSet:
    """Float images of 2×2 pixels that all hold the image's number, which is also its label."""
    images = torch.arange(number, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    return ImageSet(images, torch.arange(number), tuple(map(str, range(number))))


def batches(
    number: int, size: int, *, steps: int | None = None, drop_last: bool = True, seed: int = 0
) -> Batches:
    return Batches(
        numbered(number),
        size,
        generator=seeded(seed),
        augment=Augment(),
        normalise=PLAIN,
        drop_last=drop_last,
        steps=steps,
    )


def labels(epoch: Batches) -> list[int]:
    return [int(label) for _, y in epoch for label in y]


def test_each_crop_is_one_of_all_possible_crops_and_all_of_them_occur():
    image = torch.randint(1, 256, (1, 2, 3, 4), generator=seeded(), dtype=torch.uint8)
    padded = F.pad(image[0], (1, 1, 1, 1))
    possible = [padded[:, top : top + 3, left : left + 4] for top in range(3) for left in range(3)]
    crops = Augment(crop_padding=1).move(image.repeat(300, 1, 1, 1), seeded())
    found = [next(i for i, crop in enumerate(possible) if torch.equal(crop, got)) for got in crops]
    assert set(found) == set(range(9))


def test_mirroring_flips_left_and_right_half_of_the_time():
    images = torch.randint(256, (1000, 3, 4, 5), generator=seeded(), dtype=torch.uint8)
    out = Augment(mirror=True).move(images, seeded())
    pairs = list(zip(images, out, strict=True))
    flipped = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in pairs])
    kept = torch.tensor([torch.equal(a, b) for a, b in pairs])
    assert torch.equal(flipped, ~kept)
    assert 430 < int(flipped.sum()) < 570


@pytest.mark.parametrize("side", [1, 2, 3, 20])
def test_cutout_erases_one_square_clipped_at_the_borders(side):
    x = torch.ones(400, 2, 5, 6)
    out = Augment(cutout=side).erase(x, seeded())
    squares = set()
    for sample in out:
        assert torch.equal(sample[0], sample[1])
        rows, columns = (sample[0] == 0).nonzero(as_tuple=True)
        top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
        assert (sample[0, top : bottom + 1, left : right + 1] == 0).all()
        assert len(rows) == (bottom - top + 1) * (right - left + 1)
        squares.add((int(top), int(bottom), int(left), int(right)))
    centres = [(row - side // 2, column - side // 2) for row in range(5) for column in range(6)]
    assert squares == {
        (max(top, 0), min(top + side, 5) - 1, max(left, 0), min(left + side, 6) - 1) for top, left in centres
    }
    assert (x == 1).all()


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    loader = batches(10, 3, drop_last=False)
    first, second = labels(loader), labels(loader)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert len(loader) == 4


@pytest.mark.parametrize("drop_last", [True, False])
def test_an_epoch_after_an_abandoned_one_is_whole_again(drop_last):
    loader = batches(9, 3, drop_last=drop_last)
    next(iter(loader))
    assert sorted(labels(loader)) == list(range(9))


def test_images_stay_with_their_labels_and_the_last_short_batch_is_dropped():
    loader = batches(10, 3)
    seen = list(loader)
    assert len(loader) == len(seen) == 3
    for x, y in seen:
        assert x.shape == (3, 1, 2, 2)
        assert torch.equal(x[:, 0, 0, 0], y.float())


def test_a_batch_larger_than_the_set_is_the_set():
    assert sorted(labels(batches(5, 64))) == list(range(5))


def test_long_epochs_go_on_with_a_new_order():
    seen = labels(batches(6, 2, steps=7))
    passes = [seen[0:6], seen[6:12]]
    assert len(seen) == 14
    assert all(sorted(once) == list(range(6)) for once in passes)
    assert passes[0] != passes[1]


def test_short_epochs_together_show_every_image():
    loader = batches(12, 2, steps=2)
    epochs = [labels(loader) for _ in range(3)]
    assert all(len(epoch) == 4 for epoch in epochs)
    assert sorted(label for epoch in epochs for label in epoch) == list(range(12))


@pytest.mark.parametrize("steps", [None, 2, 9])
@pytest.mark.parametrize("drop_last", [True, False])
def test_a_restored_state_goes_on_with_the_same_batches(steps, drop_last):
    def make(seed: int) -> Batches:
        images = ImageSet(
            torch.randint(256, (11, 3, 6, 6), generator=seeded(9), dtype=torch.uint8),
            torch.arange(11),
            tuple("abcdefghijk"),
        )
        augment = Augment(crop_padding=2, mirror=True, cutout=2)
        return Batches(
            images,
            4,
            generator=seeded(seed),
            augment=augment,
            normalise=Normalise.measured(images),
            drop_last=drop_last,
            steps=steps,
        )

    first, second = make(0), make(1)
    list(first)
    state = first.state
    expected = [*first, *first]
    second.load_state(state)
    found = [*second, *second]
    assert len(expected) == len(found)
    for (x, y), (other_x, other_y) in zip(expected, found, strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


def test_batches_are_normalised_as_in_evaluation():
    images = ImageSet(
        torch.randint(256, (50, 3, 6, 6), generator=seeded(), dtype=torch.uint8),
        torch.zeros(50).long(),
        ("a",),
    )
    normalise = Normalise.measured(images)
    plain = torch.cat([x for x, _ in in_order(images, 16, normalise=normalise)])
    torch.testing.assert_close(plain.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    loader = Batches(images, 50, generator=seeded(), augment=Augment(), normalise=normalise)
    x = next(iter(loader))[0]
    order = loader.state["order"]
    assert torch.equal(x, plain[order])
    assert torch.equal(normalise(images.images.float() / 255), plain)


def test_a_constant_channel_is_only_shifted():
    images = ImageSet(torch.full((4, 1, 2, 2), 51, dtype=torch.uint8), torch.zeros(4).long(), ("a",))
    assert torch.allclose(Normalise.measured(images)(torch.full((1, 1, 2, 2), 0.7)), torch.tensor(0.5))


def test_impossible_sizes_are_refused():
    with pytest.raises(UsageError, match="at least 1, got 0"):
        batches(4, 0)
    with pytest.raises(UsageError, match="at least 1, got 2 and 0"):
        batches(4, 2, steps=0)
