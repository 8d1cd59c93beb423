"""Stratified cuts into search-train, search-validation and test."""

import torch
from torch import Tensor

from nasturtium.core.errors import DataError
from nasturtium.core.seeds import seed_for
from nasturtium.training.data.image_set import ImageSet, SealedTest, Splits


def make_splits(
    train: ImageSet,
    valid: ImageSet | None = None,
    test: ImageSet | None = None,
    *,
    seed: int,
    valid_fraction: float = 0.5,
    test_fraction: float = 0.2,
) -> Splits:
    """The splits, where `valid` and `test` are cut from `train` if they are not given.

    Every class has at least one image in each part that is cut; `DataError` names a class that has too few.
    The test part does not depend on `seed`: what one run tests on, no other run has trained on.
    """
    _check_counts(train, parts=1 + (valid is None) + (test is None))
    if test is None:
        generator = torch.Generator().manual_seed(seed_for("test split"))
        train, test = _cut(train, test_fraction, generator, leave=1 + (valid is None))
    if valid is None:
        generator = torch.Generator().manual_seed(seed_for(seed, "validation split"))
        train, valid = _cut(train, valid_fraction, generator, leave=1)
    for name, part in (("validation", valid), ("test", test)):
        if (part.classes, part.input_shape) != (train.classes, train.input_shape):
            raise DataError(f"the {name} part, {part}, does not fit the training part, {train}")
    return Splits(search_train=train, search_valid=valid, test=SealedTest(test))


def _check_counts(images: ImageSet, *, parts: int) -> None:
    counts = torch.bincount(images.labels, minlength=len(images.classes)).tolist()
    for name, count in zip(images.classes, counts, strict=True):
        if count < parts:
            raise DataError(
                f"class {name!r} has {count} image{'s' * (count != 1)}; it needs at least {parts}, one for "
                f"each of the {parts} parts that are made of them. Add images or leave the class out"
            )


def _cut(
    images: ImageSet, fraction: float, generator: torch.Generator, *, leave: int
) -> tuple[ImageSet, ImageSet]:
    """(rest, cut): of every class `fraction` is cut, at least 1, and at least `leave` stay."""
    if not 0 < fraction < 1:
        raise DataError(f"a part must be a fraction between 0 and 1, got {fraction}")
    taken: list[Tensor] = []
    for label in range(len(images.classes)):
        members = (images.labels == label).nonzero().flatten()
        number = min(max(1, round(fraction * len(members))), len(members) - leave)
        taken.append(members[torch.randperm(len(members), generator=generator)[:number]])
    cut = torch.zeros(len(images), dtype=torch.bool)
    cut[torch.cat(taken)] = True
    return images.subset((~cut).nonzero().flatten()), images.subset(cut.nonzero().flatten())
