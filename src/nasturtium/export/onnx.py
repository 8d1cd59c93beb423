"""A trained network as an ONNX file, checked with onnxruntime before it appears."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.core.errors import NasturtiumError
from nasturtium.export.archive import write_whole
from nasturtium.export.source.checking import tensors
from nasturtium.modules.example import Inputs

TOLERANCE = 1e-4
_BATCHES = (1, 5)


@dataclass(frozen=True)
class OnnxReport:
    """What was written: the largest difference to torch, the operator set, the size of the file."""

    max_difference: float
    opset: int
    bytes: int


def write_onnx(net: nn.Module, inputs: Inputs, path: Path | str) -> OnnxReport:
    """Write the trained `net`, which takes what `inputs` makes, for batches of any size.

    The file appears only after onnxruntime has given the outputs of `net` for batches of 1 and 5. Its input
    is named `images` where it is one batch of images, else `input` or `input0`, `input1`, …; its outputs are
    `output` or `output0`, `output1`, ….

    Raises `NasturtiumError` if the network can't be converted or its outputs differ by `TOLERANCE` or more,
    `StorageError` if the file can't be written.
    """
    evaluated = copy.deepcopy(net).cpu().eval()
    model, opset = _convert(evaluated, inputs)
    difference = max(_difference(evaluated, model, inputs(batch)) for batch in _BATCHES)
    if not difference < TOLERANCE:
        raise NasturtiumError(
            f"the ONNX model differs from the network by up to {difference:.2e} (allowed:"
            f" {TOLERANCE:.0e}), so it was not written; look for layers that differ in onnxruntime, such"
            " as interpolation"
        )
    write_whole(Path(path), model)
    return OnnxReport(difference, opset, len(model))


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{i}" for i in range(count)]


def _input_names(inputs: tuple[Tensor, ...]) -> list[str]:
    one_of_images = len(inputs) == 1 and inputs[0].dim() == 4 and inputs[0].is_floating_point()
    return ["images"] if one_of_images else _numbered("input", len(inputs))


def _dynamic(inputs: Inputs) -> tuple[dict[int, Any], ...]:
    """The dimensions of each input that grow with the batch."""
    batch = torch.export.Dim("batch")
    return tuple(
        {
            i: batch if (n, m) == (2, 3) else torch.export.Dim.DYNAMIC
            for i, (n, m) in enumerate(zip(a.shape, b.shape, strict=True))
            if n != m
        }
        for a, b in zip(inputs(2), inputs(3), strict=True)
    )


def _convert(net: nn.Module, inputs: Inputs) -> tuple[bytes, int]:
    """The model as bytes, and its operator set."""
    example = inputs(2)  # a batch of 1 would be taken for a constant
    with torch.no_grad():
        count = len(tensors(net(*example)))
    try:
        with _quiet():
            program = torch.onnx.export(
                net,
                example,
                dynamo=True,
                dynamic_shapes=_dynamic(inputs),
                input_names=_input_names(example),
                output_names=_numbered("output", count),
                verbose=False,
            )
        assert program is not None
        model = program.model_proto
    except Exception as error:  # the converter raises many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NasturtiumError(
            f"the network can't be converted to ONNX: {reason}. Its forward must work for any batch size and"
            " must not let values of tensors decide what runs"
        ) from error
    return model.SerializeToString(), next(o.version for o in model.opset_import if o.domain == "")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the converter prints, logs and warns of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _difference(net: nn.Module, model: bytes, inputs: tuple[Tensor, ...]) -> float:
    """The largest difference between the outputs of onnxruntime and torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {name: x.numpy() for name, x in zip(_input_names(inputs), inputs, strict=True)}
    found = [torch.from_numpy(y) for y in session.run(None, feed)]
    with torch.no_grad():
        wanted = tensors(net(*inputs))
    if [y.shape for y in found] != [y.shape for y in wanted]:
        raise NasturtiumError(
            f"the ONNX model gives other shapes than the network for a batch of {len(inputs[0])}"
        )
    return max((a - b).abs().max().item() for a, b in zip(found, wanted, strict=True))
