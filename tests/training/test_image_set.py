import numpy as np
import pytest
import torch

from nasturtium.core.errors import DataError
from nasturtium.training.data import image_set as module
from nasturtium.training.data.image_set import ImageSet, SealedTest, Splits


def some_images(number: int = 6, *, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, 3, 4, 5), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(number) % 2, ("a", "b"))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "N×C×H×W"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.float64), torch.zeros(2, dtype=torch.int64), "float64"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(3, dtype=torch.int64), "one per image"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 2]), "2 classes"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([-1, 1]), "from -1"),
        (torch.zeros(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64), "empty"),
    ],
)
def test_what_is_no_image_set_is_refused(images, labels, message):
    with pytest.raises(DataError, match=message):
        ImageSet(images, labels, ("a", "b"))


def test_channel_statistics_agree_with_numpy():
    images = some_images(1030)
    values = images.images.numpy().astype(np.float64) / 255
    mean, std = images.channel_statistics
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, values.std(axis=(0, 2, 3)), rtol=1e-12)


def test_a_fingerprint_sees_pixels_labels_and_names():
    images = some_images()
    other_pixels = images.images.clone()
    other_pixels[3, 1, 2, 2] ^= 1
    other = [
        ImageSet(other_pixels, images.labels, images.classes),
        ImageSet(images.images, 1 - images.labels, images.classes),
        ImageSet(images.images, images.labels, ("a", "c")),
        ImageSet(images.images.reshape(6, 3, 5, 4), images.labels, images.classes),
    ]
    assert images.fingerprint == some_images().fingerprint
    assert len({images.fingerprint, *(o.fingerprint for o in other)}) == 5


def test_the_test_split_opens_once_and_says_where_it_was_opened():
    sealed = SealedTest(some_images())
    assert len(sealed) == 6
    assert sealed.fingerprint == some_images().fingerprint
    assert torch.equal(sealed.open().images, some_images().images)
    with pytest.raises(
        module.TestSplitAlreadyOpened, match=r"test_the_test_split_opens_once.*test_image_set\.py"
    ):
        sealed.open()


def test_a_sealed_split_shows_nothing_but_its_size_and_fingerprint():
    sealed = SealedTest(some_images())
    assert {name for name in dir(sealed) if not name.startswith("_")} == {"open", "fingerprint"}
    assert "tensor" not in repr(Splits(some_images(), some_images(), sealed))


def test_train_is_both_search_parts_in_order():
    splits = Splits(some_images(4, seed=1), some_images(6, seed=2), SealedTest(some_images()))
    assert torch.equal(splits.train.images[:4], splits.search_train.images)
    assert torch.equal(splits.train.images[4:], splits.search_valid.images)
    with pytest.raises(DataError, match="joined"):
        some_images().joined(
            ImageSet(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1).long(), ("a", "b"))
        )
