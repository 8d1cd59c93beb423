import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.core.errors import DataError
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.data.split import make_splits


def numbered(counts: list[int], *, first: int = 0) -> ImageSet:
    """Images of one pixel whose value is their number, `counts[i]` of class i."""
    total = sum(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    images = torch.arange(first, first + total, dtype=torch.float32).view(-1, 1, 1, 1)
    return ImageSet(images, labels, tuple(f"class{i}" for i in range(len(counts))))


def numbers(images: ImageSet) -> set[int]:
    return {int(value) for value in images.images.flatten()}


@given(st.lists(st.integers(3, 40), min_size=1, max_size=5), st.integers(0, 5), st.floats(0.05, 0.95))
def test_parts_cover_everything_without_overlap_and_keep_the_shares(counts, seed, fraction):
    splits = make_splits(numbered(counts), seed=seed, valid_fraction=fraction)
    test = splits.test.open()
    train, valid = numbers(splits.search_train), numbers(splits.search_valid)
    assert sorted([*train, *valid, *numbers(test)]) == list(range(sum(counts)))
    for label, count in enumerate(counts):
        cut = int((test.labels == label).sum())
        chosen = int((splits.search_valid.labels == label).sum())
        assert cut == min(max(1, round(0.2 * count)), count - 2)
        assert chosen == min(max(1, round(fraction * (count - cut))), count - cut - 1)


def test_labels_stay_with_their_images():
    counts = [5, 9, 7]
    labels = numbered(counts).labels
    splits = make_splits(numbered(counts), seed=3)
    for part in (splits.search_train, splits.search_valid, splits.test.open()):
        assert torch.equal(labels[part.images.flatten().long()], part.labels)


def test_the_seed_moves_the_validation_part_but_never_the_test_part():
    first, again, other = (make_splits(numbered([30, 30]), seed=seed) for seed in (0, 0, 1))
    assert numbers(first.search_valid) == numbers(again.search_valid) != numbers(other.search_valid)
    assert first.test.fingerprint == other.test.fingerprint


def test_parts_that_are_given_are_taken_as_they_are():
    train, valid, test = numbered([4, 4]), numbered([1, 2], first=100), numbered([2, 1], first=200)
    splits = make_splits(train, valid, test, seed=0)
    assert splits.search_train is train
    assert splits.search_valid is valid
    assert splits.test.open() is test
    cut = make_splits(train, test=test, seed=0)
    assert len(cut.search_train) == len(cut.search_valid) == 4


def test_a_class_that_is_too_small_is_named_with_its_count():
    with pytest.raises(DataError, match=r"'class1' has 2 images; it needs at least 3"):
        make_splits(numbered([9, 2]), seed=0)
    make_splits(numbered([9, 2]), test=numbered([1, 1]), seed=0)


def test_parts_with_other_classes_are_refused():
    with pytest.raises(DataError, match="validation part"):
        make_splits(numbered([4, 4]), numbered([1, 1, 1]), seed=0)


def test_a_fraction_outside_0_to_1_is_refused():
    with pytest.raises(DataError, match=r"1\.5"):
        make_splits(numbered([4]), seed=0, valid_fraction=1.5)
