"""Everything that leaves the framework with a trained network, written to one folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from nasturtium.export.archive import save_archive
from nasturtium.export.onnx import write_onnx
from nasturtium.export.source.write import write_network_source
from nasturtium.modules.example import Inputs
from nasturtium.space.architecture import Architecture

FILES = ("weights.safetensors", "architecture.json", "network.py", "net.onnx")


def write_bundle(
    net: nn.Module,
    arch: Architecture,
    inputs: Inputs,
    folder: Path,
    *,
    title: str,
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """Write weights, architecture, source and ONNX of a trained plain `net`; each appears only once it is
    verified.

    `inputs` makes batches of any size of what `net` takes. Returns what the verification of the ONNX file
    found. Raises what the single writers raise.
    """
    save_archive(folder, net, json.loads(arch.to_json()))
    write_network_source(net, inputs(2), folder / "network.py", title=title, notes=notes)
    return {"files": list(FILES), "onnx": asdict(write_onnx(net, inputs, folder / "net.onnx"))}
