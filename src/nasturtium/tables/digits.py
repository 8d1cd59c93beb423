"""The benchmark `digits`: every network of a small space, trained on the handwritten digits."""

from importlib.resources import as_file, files
from types import MappingProxyType

from nasturtium.tables.arrays import read_arrays
from nasturtium.tables.base import Table

SEEDS = (0, 1, 2)
VALID_FRACTION = 0.8
"""Of the images that are not in the test part, the share that is validated on; the rest is trained on."""
TRAINING = MappingProxyType({"epochs": 12, "batch_size": 32, "learning_rate": 0.2, "crop_padding": 0})
"""Settings of each training; the others are the defaults of `TrainSettings`."""


def digits_table() -> Table:
    """The 567 networks of `nasturtium.spaces.small_cell`, each trained with the seeds 0, 1 and 2.

    Of the 1,797 digits 287 are trained on, so few that networks differ, 1,151 validated on, and 359 tested
    on: `Digits().splits(0, valid_fraction=VALID_FRACTION)`, the same for all seeds. Trainings are `fit` with
    `TRAINING`: 12 epochs of SGD with momentum 0.9 in batches of 32, the learning rate falling
    from 0.2 to 0 as a cosine, weight decay 0.0003, no augmentation. A seed makes the first weights and the
    order of the images; `TrainEstimator` with these parts gives the same curves, up to rounding.

    - `val_accuracy`, `val_accuracy_1`, `val_accuracy_2`: curves, the accuracy (0–1) on the validation images
      after each epoch of the training with seed 0, 1, 2. A search sees the first.
    - `test_accuracy`: the mean accuracy (0–1) of the three trained networks on the test images; a report.
    - `parameters`, and `flops`: multiply-adds for one image, as `count_flops` counts.
    - `latency_ms`: milliseconds for one image on one thread of a CPU, the median of 50 passes in five rounds
      over all networks, after the trainings.
    - `seconds`: processor seconds of one training on one thread with its validations, the median of three.

    The times are those of one machine, which other work shared. `benchmarks/digits_table.py` makes the table.
    """
    with as_file(files("nasturtium.tables") / "digits.npz") as path:
        return read_arrays(path)
