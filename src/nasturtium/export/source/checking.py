"""Runs a written `network.py` in a fresh interpreter without nasturtium, and compares its outputs."""

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nasturtium.core.errors import NasturtiumError
from nasturtium.export.archive import plain_weights

TOLERANCE = 1e-6  # of the largest output, or absolute if that is under 1
_TIME_LIMIT = 600.0  # seconds
_RUN = """
import importlib.util, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "nasturtium":
            raise ImportError("a stand-alone network must not import nasturtium")

sys.meta_path.insert(0, Blocked())
import torch
from safetensors.torch import load_file, save_file

folder, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
spec = importlib.util.spec_from_file_location("network", folder + "/network.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with torch.no_grad():
    inputs = load_file(folder + "/inputs.safetensors")
    found = module.load()(*(inputs[str(i)] for i in range(len(inputs))))
found = [found] if isinstance(found, torch.Tensor) else found.values() if isinstance(found, dict) else found
save_file({str(i): y.contiguous().clone() for i, y in enumerate(found)}, folder + "/found.safetensors")
"""


def check(folder: Path, net: nn.Module, example: tuple[Tensor, ...]) -> None:
    """Compare `network.py` in `folder`, given the weights of `net`, with `net` on `example`.

    Raises `NasturtiumError` with the difference, or with what the file raised.
    """
    save_file(plain_weights(net), folder / "weights.safetensors")
    save_file({str(i): x.contiguous().clone() for i, x in enumerate(example)}, folder / "inputs.safetensors")
    with torch.no_grad():
        wanted = tensors(net(*example))
    command = [sys.executable, "-I", "-c", _RUN, str(folder), str(torch.get_num_threads())]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
    if run.returncode:
        raise NasturtiumError(
            "the written network.py does not run, so it was not kept; export to ONNX instead. It said: "
            + (run.stderr.strip().splitlines() or ["nothing"])[-1]
        )
    found = load_file(folder / "found.safetensors")
    if len(found) != len(wanted):
        raise NasturtiumError(f"the written network.py gives {len(found)} outputs, the network {len(wanted)}")
    for i, expected in enumerate(wanted):
        _compare(found[str(i)], expected)


def tensors(output: object) -> list[Tensor]:
    """The tensors of what a network returns: one, or several in a tuple, list or dict."""
    if isinstance(output, Tensor):
        return [output]
    several = list(
        output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else []
    )
    if not several or not all(isinstance(y, Tensor) for y in several):
        raise NasturtiumError(
            f"the network returns a {type(output).__name__}; it must return tensors to be exported"
        )
    return several


def _compare(found: Tensor, expected: Tensor) -> None:
    if found.shape != expected.shape:
        shapes = f"{tuple(found.shape)} instead of {tuple(expected.shape)}"
        raise NasturtiumError(f"the written network.py gives an output of shape {shapes}, so it was not kept")
    scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
    difference = (found - expected).abs().max().item() if expected.numel() else 0.0
    if not difference <= TOLERANCE * scale:
        raise NasturtiumError(
            f"the written network.py differs from the network by up to {difference:.2e} (allowed:"
            f" {TOLERANCE * scale:.0e}), so it was not kept; export to ONNX instead"
        )
