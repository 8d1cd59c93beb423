"""Two processes with half a batch each against one process with all of it."""

from functools import partial
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.arch_step import ArchStep, FirstOrder, SecondOrder
from nasturtium.oneshot.bilevel import Bilevel
from nasturtium.oneshot.neumann import Neumann
from nasturtium.oneshot.parallel import average, processes
from nasturtium.oneshot.paths import UniformPaths
from nasturtium.oneshot.perturbation import Perturbation
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings, PathSettings
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric


def images(number: int, *, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (number, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(number) % 3, ("a", "b", "c"))


class Net(nn.Module):
    """No BatchNorm: its statistics are those of a process's own part."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        ops = {
            "wide": lambda: nn.Conv2d(4, 4, 3, padding=1),
            "point": lambda: nn.Conv2d(4, 4, 1),
            "none": nn.Identity,
        }
        self.first, self.second = OneOf("first", ops), OneOf("second", ops)
        self.head = nn.Linear(4, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×1×8×8 → logits B×3."""
        x = self.second(self.first(self.stem(x_BCHW)).relu()).relu()
        return self.head(x.mean((2, 3)))


TRAIN, VALID = images(64, seed=0), images(64, seed=1)


def bilevel(folder: Path, fabric: Fabric, step: ArchStep, eigenvalue_every: int = 0) -> dict[str, Tensor]:
    supernet = Supernet(Blueprint(Net), Softmax(), seed=3)
    settings = BilevelSettings(
        epochs=3,
        batch_size=16,
        learning_rate=0.2,
        alpha_learning_rate=0.05,
        crop_padding=1,
        eigenvalue_every=eigenvalue_every,
    )
    search = Bilevel(supernet, step, settings, fabric=fabric, seed=0)
    found = search.run(TRAIN, VALID, checkpoints=Checkpoints(folder, "search"))
    state = {name: value for name, value in supernet.state_dict().items() if "extra" not in name}
    measured = [epoch.eigenvalue for epoch in found.curve if epoch.eigenvalue is not None]
    return {**state, "eigenvalues": torch.tensor(measured)}


def single_path(folder: Path, fabric: Fabric) -> dict[str, Tensor]:
    supernet = Supernet(Blueprint(Net), seed=3)
    settings = PathSettings(epochs=3, batch_size=16, learning_rate=0.2)
    search = SinglePath(supernet, UniformPaths(supernet.space), settings, fabric=fabric, seed=0)
    search.run(TRAIN, VALID, checkpoints=Checkpoints(folder, "paths"))
    return supernet.state_dict()


def perturbation(folder: Path, fabric: Fabric) -> dict[str, Tensor]:
    supernet = Supernet(Blueprint(Net), Softmax(), seed=3)
    settings = BilevelSettings(batch_size=16, learning_rate=2.0, alpha_learning_rate=0.05)
    search = Perturbation(supernet, settings, fabric=fabric, seed=0)
    search.run(TRAIN, VALID, images=48, steps=4, checkpoints=Checkpoints(folder, "selection"))
    return {name: value for name, value in supernet.state_dict().items() if "extra" not in name}


def write(fabric: Fabric, folder: Path, work) -> None:
    torch.set_num_threads(1)
    assert processes() == 2
    torch.save(work(folder, fabric), folder / f"{fabric.global_rank}.pt")


WORK = {
    "first order": partial(bilevel, step=FirstOrder()),
    "second order": partial(bilevel, step=SecondOrder()),
    "implicit": partial(bilevel, step=Neumann(2, 0.1), eigenvalue_every=1),
    "single path": single_path,
    "perturbation": perturbation,
}


@pytest.mark.parametrize("name", WORK)
def test_two_processes_find_what_one_finds(tmp_path, name):
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    fabric.launch(write, tmp_path, WORK[name])
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for key, value in one.items():
        assert torch.equal(value, other[key])
    (tmp_path / "alone").mkdir()
    alone = WORK[name](tmp_path / "alone", make_fabric("cpu"))
    start = Supernet(Blueprint(Net), Softmax(), seed=3).state_dict()
    for key, value in one.items():
        torch.testing.assert_close(value, alone[key], rtol=1e-4, atol=1e-4)
    moved = max(float((one[key] - start[key]).abs().max()) for key in start.keys() & one.keys())
    assert moved > 0.05  # both have learned the same, not nothing


def test_a_process_by_itself_averages_nothing():
    tensor = torch.ones(2)
    average([tensor])
    assert torch.equal(tensor, torch.ones(2))


def share_unequally(fabric: Fabric, folder: Path) -> None:
    supernet = Supernet(Blueprint(Net), Softmax())
    search = Bilevel(supernet, FirstOrder(), BilevelSettings(epochs=1, batch_size=7), fabric=fabric, seed=0)
    with pytest.raises(UsageError, match="2 processes can't share batches of 7"):
        search.run(TRAIN, VALID)


def test_batches_that_cannot_be_shared_are_refused(tmp_path):
    Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn").launch(share_unequally, tmp_path)
