"""A trained network as an ONNX file, checked with onnxruntime before it appears."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nasturtium.core.errors import NasturtiumError
from nasturtium.export.archive import write_whole
from nasturtium.export.source.checking import tensors

TOLERANCE = 1e-4
_BATCHES = (1, 5)
_SEED = 0


@dataclass(frozen=True)
class OnnxReport:
    """What was written: the largest difference to torch, the operator set, the size of the file."""

    max_difference: float
    opset: int
    bytes: int


def write_onnx(net: nn.Module, example: Tensor, path: Path | str) -> OnnxReport:
    """Write the trained `net`, which takes float images like `example` (N×C×H×W), for batches of any size.

    The file appears only after onnxruntime has given the outputs of `net` for batches of 1 and 5 images. Its
    input is named `images`, its outputs `output` or `output0`, `output1`, ….

    Raises `NasturtiumError` if the network can't be converted or its outputs differ by `TOLERANCE` or more,
    `StorageError` if the file can't be written.
    """
    evaluated = copy.deepcopy(net).cpu().eval()
    shape = tuple(example.shape[1:])
    model, opset = _convert(evaluated, shape)
    difference = max(_difference(evaluated, model, _images(batch, shape)) for batch in _BATCHES)
    if not difference < TOLERANCE:
        raise NasturtiumError(
            f"the ONNX model differs from the network by up to {difference:.2e} (allowed:"
            f" {TOLERANCE:.0e}), so it was not written; look for layers that differ in onnxruntime, such"
            " as interpolation"
        )
    write_whole(Path(path), model)
    return OnnxReport(difference, opset, len(model))


def _images(batch: int, shape: tuple[int, ...]) -> Tensor:
    return torch.rand((batch, *shape), generator=torch.Generator().manual_seed(_SEED))


def _convert(net: nn.Module, shape: tuple[int, ...]) -> tuple[bytes, int]:
    """The model as bytes, and its operator set."""
    images = _images(2, shape)  # a batch of 1 would be taken for a constant
    with torch.no_grad():
        count = len(tensors(net(images)))
    names = ["output"] if count == 1 else [f"output{i}" for i in range(count)]
    try:
        with _quiet():
            program = torch.onnx.export(
                net,
                (images,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["images"],
                output_names=names,
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


def _difference(net: nn.Module, model: bytes, images: Tensor) -> float:
    """The largest difference between the outputs of onnxruntime and torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = [torch.from_numpy(y) for y in session.run(None, {"images": images.numpy()})]
    with torch.no_grad():
        wanted = tensors(net(images))
    if [y.shape for y in found] != [y.shape for y in wanted]:
        raise NasturtiumError(
            f"the ONNX model gives other shapes than the network for a batch of {len(images)}"
        )
    return max((a - b).abs().max().item() for a, b in zip(found, wanted, strict=True))
