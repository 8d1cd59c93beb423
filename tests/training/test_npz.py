import numpy as np
import pytest

from nasturtium.core.errors import DataError
from nasturtium.training.data.npz import Npz

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (9, 5, 6, 3), dtype=np.uint8)
LABELS = np.repeat([3, 5, 9], 3)


def saved(path, **arrays):
    np.savez(path / "set.npz", **arrays)
    return Npz(path / "set.npz")


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_val", "y_val"), ("images", "labels", "x_valid", "y_valid")]
)
def test_parts_and_labels_are_read_under_every_name(tmp_path, names):
    x, y, xv, yv = names
    parts = {x: PIXELS, y: LABELS, xv: PIXELS[3:], yv: LABELS[3:], "x_test": PIXELS[:2], "y_test": LABELS[:2]}
    source = saved(tmp_path, **parts)
    splits = source.splits(0)
    assert source.classes == ("3", "5", "9")
    np.testing.assert_array_equal(splits.search_train.images.numpy(), PIXELS.transpose(0, 3, 1, 2))
    assert splits.search_valid.labels.tolist() == [1, 1, 1, 2, 2, 2]
    assert len(splits.test) == 2


@pytest.mark.parametrize(
    ("images", "shape", "values"),
    [
        (PIXELS[..., 0], (1, 5, 6), PIXELS[..., 0][:, None]),
        (PIXELS.transpose(0, 3, 1, 2), (3, 5, 6), PIXELS.transpose(0, 3, 1, 2)),
        (PIXELS.astype(np.int64), (3, 5, 6), PIXELS.transpose(0, 3, 1, 2)),
        (PIXELS > 99, (3, 5, 6), (PIXELS > 99).transpose(0, 3, 1, 2) * np.uint8(255)),
        (PIXELS / 255, (3, 5, 6), (PIXELS / 255).astype(np.float32).transpose(0, 3, 1, 2)),
    ],
)
def test_layouts_and_types_are_understood(tmp_path, images, shape, values):
    source = saved(tmp_path, x_train=images, y_train=LABELS, x_test=images, y_test=LABELS[:, None])
    assert source.input_shape == shape
    test = source.splits(0).test.open()
    np.testing.assert_array_equal(test.images.numpy(), values)
    assert test.images.numpy().dtype == values.dtype


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": PIXELS}, "it needs 'x_train' and 'y_train'"),
        ({"pixels": PIXELS}, "it has pixels"),
        ({"images": PIXELS, "labels": LABELS[:-1]}, "9 images, but 8 labels"),
        ({"images": PIXELS, "labels": LABELS / 2}, "whole number per image, got float64"),
        ({"images": PIXELS[:, 0, 0], "labels": LABELS}, "N×H×W"),
        ({"images": PIXELS.astype(np.int16) + 9, "labels": LABELS}, "0–255"),
        ({"images": np.full((9, 5, 6), np.nan), "labels": LABELS}, "not a number"),
        ({"images": np.full((9, 5, 6), "x"), "labels": LABELS}, "must be numbers"),
        ({"images": np.array([{}] * 9), "labels": LABELS}, "arrays of objects are not loaded"),
        ({"images": PIXELS, "labels": LABELS, "x_test": PIXELS, "y_test": LABELS + 1}, r"\[4, 6, 10\]"),
    ],
)
def test_files_that_do_not_fit_are_explained(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        saved(tmp_path, **arrays).splits(0)


def test_files_that_are_no_npz_are_explained(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, PIXELS)
    saved(tmp_path, images=PIXELS, labels=LABELS)
    whole = (tmp_path / "set.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "single", "cut"):
        with pytest.raises(DataError, match=f"{name}.npz"):
            Npz(tmp_path / f"{name}.npz").splits(0)
