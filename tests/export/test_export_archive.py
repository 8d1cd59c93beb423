import errno
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from nasturtium.core.errors import DataError, StorageError
from nasturtium.export.archive import load_weights, save_archive


def net(seed: int, width: int = 4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width))


def test_weights_and_architecture_come_back(tmp_path: Path) -> None:
    saved, other = net(0), net(1)
    saved[1].running_mean.fill_(3.0)
    save_archive(tmp_path / "new" / "folder", saved, {"op": "conv", "inputs": [0, 1]})
    load_weights(other, tmp_path / "new" / "folder")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    text = (tmp_path / "new" / "folder" / "architecture.json").read_text()
    assert json.loads(text) == {"op": "conv", "inputs": [0, 1]}


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    save_archive(tmp_path, tied, {})
    load_weights(tied, tmp_path)


def test_full_disk_keeps_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_archive(tmp_path, net(0), {"a": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save_archive(tmp_path, net(1), {"a": 2})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_archive(tmp_path, net(0), {})
    with pytest.raises(DataError, match="another network"):
        load_weights(net(0, width=5), tmp_path)


def test_missing_and_damaged_weights(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't read"):
        load_weights(net(0), tmp_path)
    save_archive(tmp_path, net(0), {})
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StorageError, match="damaged"):
        load_weights(net(0), tmp_path)
