"""The 1,797 handwritten digits, 8×8, that come with scikit-learn (UCI optical recognition of handwritten
digits).
"""

import torch

from nasturtium.training.data.base import DATA, DataSource, Parts
from nasturtium.training.data.image_set import ImageSet


@DATA.register("digits", summary="1,797 handwritten digits, 8×8 grey, part of scikit-learn; no download")
class Digits(DataSource):
    """Ten classes; the grey values 0–16 are stretched to 0–255."""

    name = "digits"
    mirror = False

    def _read(self) -> Parts:
        from sklearn.datasets import load_digits  # imported here: scikit-learn takes a second to import

        digits = load_digits()
        grey = torch.as_tensor(digits.images, dtype=torch.float64)
        images = (grey * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        labels = torch.as_tensor(digits.target, dtype=torch.int64)
        return Parts(ImageSet(images, labels, tuple(str(digit) for digit in range(10))))
