import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from nasturtium.core.errors import DataError, UsageError
from nasturtium.training.data.digits import Digits
from nasturtium.training.data.folder import Folder
from nasturtium.training.data.npz import Npz
from nasturtium.training.data.sources import open_data


class Endless(IterableDataset[tuple[torch.Tensor, int]]):
    def __iter__(self):
        return iter(())


def test_digits_are_scikit_learns(tmp_path):
    source = open_data("digits")
    splits = source.splits(0)
    images = torch.cat([splits.train.images, splits.test.open().images]).flatten(1).double() * 16 / 255
    original = load_digits().data
    assert not source.mirror
    assert source.classes == tuple("0123456789")
    assert source.input_shape == (1, 8, 8)
    np.testing.assert_array_equal(
        np.sort(images.round().numpy().astype(int), axis=0), np.sort(original.astype(int), axis=0)
    )


def test_paths_and_sources_are_recognised(tmp_path):
    (tmp_path / "set").mkdir()
    np.savez(tmp_path / "set.npz", images=np.zeros((3, 4, 4)), labels=np.zeros(3, int))
    digits = Digits()
    assert isinstance(open_data(tmp_path / "set"), Folder)
    assert isinstance(open_data(str(tmp_path / "set.npz")), Npz)
    assert open_data(digits) is digits


def test_image_size_is_for_folders(tmp_path):
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("L", (9, 5)).save(tmp_path / "a" / name)
    assert open_data(tmp_path, image_size=4).input_shape == (1, 4, 4)
    with pytest.raises(UsageError, match="image_size"):
        open_data("digits", image_size=4)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digist", "did you mean 'digits'"),
        ("nowhere/images", "nowhere/images does not exist.*digits.*npz"),
        ("set.npz", "set.npz does not exist"),
        (3, "can't be a int"),
        (Endless(), "map-style"),
    ],
)
def test_what_is_no_data_is_explained(spec, message):
    with pytest.raises(UsageError, match=message):
        open_data(spec)


def test_another_file_is_no_data(tmp_path):
    (tmp_path / "x.csv").write_text("1,2")
    with pytest.raises(UsageError, match="is a file, but no .npz"):
        open_data(tmp_path / "x.csv")


def test_tensors_and_data_sets_give_the_same_splits():
    images = torch.randint(256, (12, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.tensor([2, 7] * 6)
    pair, dataset = open_data((images, labels)), open_data(TensorDataset(images, labels))
    assert pair.classes == dataset.classes == ("2", "7")
    first, second = pair.splits(1), dataset.splits(1)
    assert first.train.fingerprint == second.train.fingerprint
    assert first.test.fingerprint == second.test.fingerprint


class Sizes(Dataset[tuple[torch.Tensor, int]]):
    classes = ("a", "b")

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.zeros(1, self.sizes[index], 4), index % 2


def test_a_data_set_keeps_its_class_names_and_floats():
    source = open_data(Sizes(*[3] * 8))
    assert source.classes == ("a", "b")
    assert source.splits(0).train.images.dtype == torch.float32


def test_data_sets_that_do_not_fit_are_explained():
    with pytest.raises(DataError, match=r"image 1 of Sizes is \(1, 4, 4\), image 0 is \(1, 3, 4\)"):
        open_data(Sizes(3, 4))
    with pytest.raises(DataError, match="Sizes is empty"):
        open_data(Sizes())
    with pytest.raises(DataError, match="4 images, but 3 labels"):
        open_data((torch.zeros(4, 1, 2, 2), torch.zeros(3, dtype=torch.int64))).splits(0)
