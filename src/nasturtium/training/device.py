"""Where and in which precision networks are computed: one device, through Lightning Fabric."""

import logging
import os

import torch
from lightning_fabric import Fabric
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.training.memory import keep_freed_memory

LAYOUT = torch.channels_last
"""The order of images in memory while networks are trained: on a CPU convolutions of small networks are up to
1.6 times as fast with the channels last.
"""

_PRECISIONS = ("auto", "32", "bf16")


def make_fabric(device: str = "auto", precision: str = "auto") -> Fabric:
    """Fabric on one device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".

    `precision` is "32", "bf16" (mixed with 32 bits), or "auto": bf16 on a GPU that has it, 32 elsewhere. A
    device that is unknown or not there is a `UsageError`. On CUDA this switches cuDNN to its deterministic
    algorithms; on a CPU the process from now on keeps the memory that it frees.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its tips are not for our readers
    if precision not in _PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}: one of {', '.join(_PRECISIONS)}")
    kind, index = _parse(device)
    if kind == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    elif kind == "cpu":
        keep_freed_memory()
    mixed = precision == "bf16" or (precision == "auto" and kind == "cuda" and torch.cuda.is_bf16_supported())
    return Fabric(
        accelerator=kind,
        devices=1 if kind == "cpu" else [index],
        precision="bf16-mixed" if mixed else "32-true",
    )


def place(net: nn.Module, device: torch.device, layout: torch.memory_format = LAYOUT) -> None:
    """Move a network's tensors to `device`, in `layout`."""
    net.to(device).to(memory_format=layout)  # type: ignore[call-overload]  # of modules, torch's types say no


def _parse(device: str) -> tuple[str, int]:
    """("cpu" | "cuda" | "mps", index) of a device that is there."""
    if device == "auto":
        return ("cuda" if torch.cuda.is_available() else "cpu"), 0
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UsageError(f"unknown device {device!r}: auto, cpu, cuda, cuda:<number> or mps")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    index = int(number or 0)
    if index >= there:
        raise UsageError(f"no device {device!r}: this machine has {there} of kind {kind}; use auto or cpu")
    return kind, index
