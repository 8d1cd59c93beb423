import ast
import json
import re
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from export_examples import CellNet, Normalise, ResNet, Shapes, Unready, seeded
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nasturtium.core.errors import NasturtiumError, StorageError, UsageError
from nasturtium.export.archive import save_archive
from nasturtium.export.source import checking, write
from nasturtium.export.source.page import page
from nasturtium.export.source.write import write_network_source

NETS = {"resnet": ResNet, "cells": CellNet, "shapes": Shapes}
SHAPE = (2, 3, 16, 16)
# runs every folder given, in an interpreter where importing nasturtium fails
RUN = """
import runpy, sys
sys.modules["nasturtium"] = None
import torch
from safetensors.torch import load_file, save_file
for folder in sys.argv[1:]:
    load = runpy.run_path(folder + "/network.py")["load"]
    with torch.no_grad():
        y = load()(load_file(folder + "/images.safetensors")["x"])
    save_file(y if isinstance(y, dict) else {"y": y}, folder + "/outputs.safetensors")
"""


def whole(make: type[nn.Module]) -> nn.Module:
    return nn.Sequential(OrderedDict(normalise=Normalise(), network=seeded(make))).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each network, with what a stranger's interpreter made of it."""
    found = {}
    for name, make in NETS.items():
        folder = found[name] = tmp_path_factory.mktemp(name)
        net = whole(make)
        save_archive(folder, net, {})
        notes = {"Accuracy": '98 % \\ "measured"'}
        write_network_source(net, (images(),), folder / "network.py", title='A "net"', notes=notes)
        save_file({"x": images()}, folder / "images.safetensors")
    subprocess.run([sys.executable, "-I", "-c", RUN, *map(str, found.values())], check=True)
    return found


def images() -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", NETS)
def test_outputs_are_those_of_the_network(folders: dict[str, Path], name: str) -> None:
    with torch.no_grad():
        y = whole(NETS[name])(images())
    wanted = y if isinstance(y, dict) else {"y": y}
    found = load_file(folders[name] / "outputs.safetensors")
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_file_is_plain_and_short(folders: dict[str, Path], name: str) -> None:
    text = (folders[name] / "network.py").read_text()
    modules = {n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)}
    assert modules <= {"pathlib", "torch", "torch.nn", "collections"}
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"⟦|= None\b|# type", text)


def test_cells_of_one_kind_share_a_class_and_run_in_a_loop(folders: dict[str, Path]) -> None:
    text = (folders["cells"] / "network.py").read_text()
    assert text.count("class TwoInputCell(") == 1
    assert "TwoInputCell(16, 32, 8)" in text
    assert "for cell in self.cells:\n            x, y = y, cell(x, y)" in text
    assert "padding=kernel_size // 2" in text
    assert "groups=channels" in text


def test_what_only_training_uses_is_left_out(folders: dict[str, Path]) -> None:
    text = (folders["resnet"] / "network.py").read_text()
    assert 'ONLY_FOR_TRAINING = ("network.auxiliary.",)' in text
    assert "self.auxiliary" not in text


def test_main_prints_parameters_and_shape(folders: dict[str, Path]) -> None:
    run = subprocess.run(
        [sys.executable, "-I", folders["cells"] / "network.py"], capture_output=True, text=True, check=True
    )
    count = sum(p.numel() for p in whole(CellNet).parameters())
    assert run.stdout.splitlines() == [f"{count:,} parameters", "(2, 3, 16, 16) -> (2, 10)"]


def test_value_dependent_forward_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'parts\.1' \(Branching\) can't be written"):
        write_network_source(Unready(), (images(),), tmp_path / "n.py", title="t", notes={})
    assert not list(tmp_path.iterdir())


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x.mean(3).transpose(1, 2))[0]


def test_unrecoverable_constructor_is_named() -> None:
    with pytest.raises(UsageError, match=r"'rnn' \(GRU\).*constructor"):
        page(Recurrent().eval(), (images(),), "t", {})


def test_other_outputs_are_refused_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.py"
    path.write_text("old")
    wrong = page(whole(ResNet), (images(),), "t", {}).replace("self.shortcut(x)", "2 * self.shortcut(x)")
    monkeypatch.setattr(write, "page", lambda *_: wrong)
    with pytest.raises(NasturtiumError, match="differs from the network by up to"):
        write_network_source(whole(ResNet), (images(),), path, title="t", notes={})
    assert path.read_text() == "old"


def test_unwritable_place_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(write, "check", lambda *_: None)
    with pytest.raises(StorageError, match="can't write"):
        write_network_source(whole(ResNet), (images(),), tmp_path / "file" / "n.py", title="t", notes={})


class Tied(nn.Module):
    """One convolution under two names, and one weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.second = self.first
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(self.second(self.first(x)).mean((2, 3))))


def rebuilt(net: nn.Module) -> nn.Module:
    """The class `Network` of the file for `net`, in this very process, with its weights."""
    room: dict[str, object] = {"__name__": "network", "__file__": "network.py"}
    exec(page(net.eval(), (images(),), "t", {}), room)
    network = room["Network"]
    assert isinstance(network, type)
    made = network()
    made.load_state_dict(net.state_dict())
    return made.eval()


def test_shared_weights_stay_shared() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, other = Tied(), None
        other = rebuilt(net)
    assert other.second is other.first
    assert other.b.weight is other.a.weight
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in net.parameters())
    torch.testing.assert_close(other(images()), net(images()), rtol=0, atol=0)


class InPlace(nn.Module):
    """The order of statements matters: the ReLU changes what is doubled before it."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        shifted = x - 0.5
        doubled = shifted * 2
        cut = self.relu(shifted)
        return cut + doubled


def test_in_place_layers_keep_their_order() -> None:
    x = images()
    shifted = x - 0.5
    torch.testing.assert_close(rebuilt(InPlace())(x), shifted.relu() + 2 * shifted)


class Operators(nn.Module):
    """Where parentheses matter, and a child that takes a flag and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.pair(x, True, others=[x, x + 1, 3 * x])
        y = (x**2) ** 0.5 - (a - (b - x)) / (2 * (x + 1)) + 2 ** (-x) - -x
        return torch.where((x > 0.5) & ((x < 0.9) == (a > b)), y, x.clamp(max=float("inf")))


class Pair(nn.Module):
    def forward(self, x: Tensor, swap: bool = False, *, others: list[Tensor]) -> tuple[Tensor, Tensor]:
        y = others[2] if swap else others[0]
        return x - y, x * y


def test_operators_keep_their_grouping() -> None:
    torch.testing.assert_close(rebuilt(Operators())(images()), Operators()(images()), rtol=0, atol=0)


class Uneven(nn.Module):
    """Stages of different depth: the blocks are what differs."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(depth, 3) for depth in (3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.stages[1](self.stages[0](x))


class Stage(nn.Module):
    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def test_equal_items_are_written_once() -> None:
    text = page(Uneven().eval(), (images(),), "t", {})
    assert text.count("class Stage(") == 1
    assert "Stage(nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)]))" in text
    assert "for block in self.blocks:\n            x = block(x)" in text


class Chained(nn.Sequential):
    """A container whose children are of other kinds each time."""


def test_children_that_have_only_positions_are_passed_in_by_name() -> None:
    first, second = Chained(nn.Conv2d(3, 4, 1), nn.ReLU()), Chained(nn.MaxPool2d(2), nn.BatchNorm2d(4))
    net = nn.Sequential(first, second).eval()
    assert "def __init__(self, layer1: nn.Module, layer2: nn.Module)" in page(net, (images(),), "t", {})
    assert torch.equal(rebuilt(net)(images()), net(images()))


def test_tolerance_is_the_documented_one() -> None:
    checking._compare(torch.tensor([1.0]), torch.tensor([1.0 + 5e-7]))
    with pytest.raises(NasturtiumError, match="differs"):
        checking._compare(torch.tensor([1.0]), torch.tensor([1.0 + 5e-6]))
    with pytest.raises(NasturtiumError, match="differs"):
        checking._compare(torch.tensor([float("nan")]), torch.tensor([1.0]))


def test_reader_of_weights_knows_every_type(folders: dict[str, Path], tmp_path: Path) -> None:
    text = (folders["cells"] / "network.py").read_text()
    room: dict[str, object] = {"__name__": "network", "__file__": "network.py"}
    exec(text, room)
    kinds = [
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int64,
        torch.uint8,
        torch.bool,
    ]
    wanted = {str(kind): torch.tensor([[0, 1, 3]]).to(kind) for kind in kinds}
    wanted |= {"scalar": torch.tensor(7), "empty": torch.zeros(0, 4)}
    save_file(wanted, tmp_path / "w.safetensors", metadata={"format": json.dumps("pt")})
    found = room["read_safetensors"](tmp_path / "w.safetensors")  # type: ignore[operator]
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
