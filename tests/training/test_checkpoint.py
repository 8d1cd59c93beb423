import errno
import logging
import os
import pickle

import pytest
import torch

from nasturtium.core.errors import StorageError
from nasturtium.training.checkpoint import Checkpoints

STATE = {"tensor": torch.arange(5.0), "nested": {"list": [1, 2.5, "x", None]}}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_is_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "folder", "net")
    assert checkpoints.latest() is None
    checkpoints.save(3, STATE)
    step, state = Checkpoints(tmp_path / "new" / "folder", "net").latest()
    assert step == 3
    assert torch.equal(state["tensor"], STATE["tensor"])
    assert state["nested"] == STATE["nested"]


def test_the_last_ones_are_kept_for_each_stem(tmp_path):
    net, other = Checkpoints(tmp_path, "net"), Checkpoints(tmp_path, "net-other")
    other.save(1, STATE)
    for step in (1, 2, 9, 10):
        net.save(step, {"step": step})
    assert names(tmp_path) == [
        "net-00000009.checkpoint",
        "net-00000010.checkpoint",
        "net-other-00000001.checkpoint",
    ]
    assert net.latest() == (10, {"step": 10})


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "unsafe"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(tmp_path, caplog, damage):
    checkpoints = Checkpoints(tmp_path, "net")
    checkpoints.save(1, {"step": 1})
    checkpoints.save(2, {"step": 2, **STATE})
    newest = tmp_path / "net-00000002.checkpoint"
    whole = newest.read_bytes()
    middle = len(whole) // 2
    newest.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-1],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "unsafe": whole,
        }[damage]
    )
    if damage == "unsafe":
        checkpoints.save(2, {"step": Mischief(tmp_path / "mischief")})
    with caplog.at_level(logging.WARNING, logger="nasturtium"):
        assert checkpoints.latest() == (1, {"step": 1})
    assert str(newest) in caplog.text
    assert not (tmp_path / "mischief").exists()


class Mischief:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_mischief_would_work_if_it_were_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Mischief(tmp_path / "mischief")))
    assert (tmp_path / "mischief").exists()


def test_without_an_intact_one_there_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path, "net")
    checkpoints.save(1, STATE)
    (tmp_path / "net-00000001.checkpoint").write_bytes(b"nasturtium checkpoint 1 sha256 00\n")
    assert checkpoints.latest() is None


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_the_one_before_and_nothing_else(tmp_path, monkeypatch, function):
    checkpoints = Checkpoints(tmp_path, "net", keep=1)
    checkpoints.save(1, {"step": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        with pytest.raises(StorageError, match=r"net-00000002.*No space left.*intact"):
            checkpoints.save(2, {"step": 2})
    assert names(tmp_path) == ["net-00000001.checkpoint"]
    assert checkpoints.latest() == (1, {"step": 1})


def test_the_old_one_goes_only_after_the_new_one_is_in_place(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, "net", keep=1)
    checkpoints.save(1, {"step": 1})
    replace, seen = os.replace, []

    def watched(source, target):
        seen.append(names(tmp_path))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    checkpoints.save(2, {"step": 2})
    assert seen == [["net-00000001.checkpoint", "net-00000002.temporary"]]
    assert names(tmp_path) == ["net-00000002.checkpoint"]
