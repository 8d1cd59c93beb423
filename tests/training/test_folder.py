import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasturtium.core.errors import DataError
from nasturtium.training.data.folder import Folder


def write(
    path: Path, *, grey: bool = False, size: tuple[int, int] = (6, 5), value: int | None = None
) -> np.ndarray:
    """A random (or constant) image of width×height `size`; returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if grey else (*size[::-1], 3)
    random = np.random.default_rng(len(str(path)) + sum(map(ord, path.name)))
    pixels = random.integers(0, 256, shape, np.uint8) if value is None else np.full(shape, value, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_folder_with_three_parts_is_read_exactly(tmp_path):
    pixels = {}
    for part, number in (("train", 3), ("val", 2), ("test", 1)):
        for name in ("cat", "dog"):
            for i in range(number):
                path = tmp_path / part / name / f"{i}.png"
                pixels[part, name, i] = write(path)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    source = Folder(tmp_path)
    splits = source.splits(0)
    test = splits.test.open()
    assert source.classes == ("cat", "dog")
    assert source.input_shape == (3, 5, 6)
    assert (len(splits.search_train), len(splits.search_valid), len(test)) == (6, 4, 2)
    for part, images in (("train", splits.search_train), ("val", splits.search_valid), ("test", test)):
        expected = [pixels[key] for key in sorted(pixels) if key[0] == part]
        np.testing.assert_array_equal(images.images.numpy(), np.stack(expected).transpose(0, 3, 1, 2))
        assert images.labels.tolist() == sorted(images.labels.tolist())


def test_class_folders_may_lie_directly_in_the_folder(tmp_path):
    for i in range(4):
        write(tmp_path / "a" / f"{i}.PNG", grey=True)
        write(tmp_path / "b" / f"{i}.jpg", grey=True)
    source = Folder(tmp_path)
    assert source.input_shape == (1, 5, 6)
    assert len(source.splits(0).train) + len(source.splits(0).test) == 8


def test_grey_images_among_coloured_ones_get_three_equal_channels(tmp_path):
    for i in range(3):
        grey = write(tmp_path / "train" / "a" / f"{i}.png", grey=True)
        write(tmp_path / "train" / "b" / f"{i}.png")
    write(tmp_path / "test" / "b" / "0.png")
    train = Folder(tmp_path).splits(0).train
    last = train.images[train.labels == 0]
    assert train.input_shape == (3, 5, 6)
    assert any(np.array_equal(image.numpy(), np.stack([grey] * 3)) for image in last)


def test_image_size_resizes_with_antialiasing(tmp_path):
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    for i in range(3):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(stripes).save(tmp_path / "a" / f"{i}.png")
        write(tmp_path / "b" / f"{i}.png", size=(20, 10))
    train = Folder(tmp_path, image_size=2).splits(0).train
    assert train.input_shape == (3, 2, 2)
    shrunk = train.images[train.labels == 0].float()
    assert 60 < shrunk.min() <= shrunk.max() < 140  # without antialiasing the stripes stay 0 or 200


def test_sizes_that_differ_are_named(tmp_path):
    write(tmp_path / "a" / "0.png")
    write(tmp_path / "a" / "1.png", size=(7, 5))
    with pytest.raises(DataError, match=r"1\.png is 7×5.*0\.png is 6×5.*image_size"):
        Folder(tmp_path).splits(0)


def test_a_few_unreadable_images_are_left_out_and_logged(tmp_path, caplog):
    for i in range(199):
        write(tmp_path / "a" / f"{i:03}.png", size=(2, 2), value=i)
    whole = (tmp_path / "a" / "007.png").read_bytes()
    (tmp_path / "a" / "007.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "zero.jpg").write_bytes(b"")
    with caplog.at_level(logging.WARNING, logger="nasturtium"):
        splits = Folder(tmp_path).splits(0)
    kept = [*splits.train.images[:, 0, 0, 0].tolist(), *splits.test.open().images[:, 0, 0, 0].tolist()]
    assert sorted(kept) == [i for i in range(199) if i != 7]
    assert "left out 2 of 200" in caplog.text
    assert "007.png" in caplog.text
    assert "zero.jpg" in caplog.text


def test_parts_keep_their_own_images_when_some_are_left_out(tmp_path):
    for part, number in (("train", 150), ("test", 60)):
        for i in range(number):
            write(tmp_path / part / "a" / f"{i:03}.png", size=(2, 2), value=i if part == "train" else 255 - i)
    (tmp_path / "train" / "a" / "004.png").write_bytes(b"no image")
    splits = Folder(tmp_path).splits(0)
    assert sorted(splits.train.images[:, 0, 0, 0].tolist()) == [i for i in range(150) if i != 4]
    assert splits.test.open().images[:, 0, 0, 0].tolist() == [255 - i for i in range(60)]


def test_many_unreadable_images_stop_the_loading(tmp_path):
    for i in range(20):
        write(tmp_path / "a" / f"{i:02}.png")
    (tmp_path / "a" / "03.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 20 .*03\.png"):
        Folder(tmp_path).splits(0)


def test_only_unreadable_images_stop_the_loading(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the 1 .*x\.png"):
        Folder(tmp_path).splits(0)


@pytest.mark.parametrize("folder", ["train/a", "train", "a", "."])
def test_a_folder_without_images_says_what_it_must_look_like(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=r"no images in class folders.*<class>"):
        Folder(tmp_path).splits(0)


def test_parts_that_do_not_fit_training_are_refused(tmp_path):
    write(tmp_path / "test" / "b" / "0.png")
    with pytest.raises(DataError, match="no train/"):
        Folder(tmp_path).splits(0)
    write(tmp_path / "train" / "a" / "0.png")
    with pytest.raises(DataError, match="not in training: b"):
        Folder(tmp_path).splits(0)
