"""timm, the yardstick of published networks, where it is installed."""

import importlib

import pytest
from torch import library


def _torchvision_loads() -> bool:
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # RuntimeError: its compiled part was built for another torch
        return False
    return True


@pytest.fixture(scope="session")
def timm():
    """The module; skips where it is missing. timm asks torchvision for two operators that it never calls
    here, so they need a signature only."""
    operators = None if _torchvision_loads() else library.Library("torchvision", "DEF")
    if operators is not None:
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield pytest.importorskip("timm")
    del operators  # they are known for as long as this lives
