"""The whole file `network.py`: what stands around the classes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

import torch
from torch import Tensor, nn

from nasturtium.export.source.classes import Classes
from nasturtium.export.source.expressions import attribute
from nasturtium.export.source.printing import class_source
from nasturtium.export.source.tracing import Survey, join

_WIDTH = 96
_READER = '''
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file: the length of the header in 8 bytes, the header as JSON, raw data."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
            flat = torch.empty(0, dtype=dtype)
            if end > begin:
                flat = torch.frombuffer(data[start + begin : start + end], dtype=dtype)
            tensors[name] = flat.view(shape)
    return tensors
'''
_LOAD = '''
def load(weights: str | Path = WEIGHTS) -> Network:
    """The trained network, ready for evaluation."""
    network = Network()
    {load}
    return network.eval()


if __name__ == "__main__":
    network = load()
    example = {example}
    with torch.no_grad():
        output = network({called})
    print(f"{{sum(p.numel() for p in network.parameters()):,}} parameters")
    print(f"{{{taken}}} -> {{{result}}}")
'''


def page(net: nn.Module, example: tuple[Tensor, ...], title: str, notes: Mapping[str, str]) -> str:
    """The source of `network.py` for inputs like `example`.

    Raises `UsageError` naming the module that can't be written.
    """
    survey = Survey(net, len(example))
    classes = Classes(net, survey).written
    *others, network = classes
    texts = [class_source(written, doc=written.doc) for written in others]
    texts.append(class_source(network, doc=f"{_plain(title)}.", last=list(_ties(net, survey))))
    body = "\n\n\n".join(texts)
    left_out = list(_left_out(net, survey))
    returns = network.forward.returns if network.forward else "Tensor"
    result = "tuple(output.shape)" if returns == "Tensor" else "output"
    end = _LOAD.format(load=_loading(left_out), result=result, **_tried_on(example))
    parts = [_head(title, notes, body), _constants(left_out), body, _READER.strip("\n"), end.strip("\n")]
    return "\n\n\n".join([parts[0] + "\n\n" + parts[1], *parts[2:]]) + "\n"


def _tried_on(example: tuple[Tensor, ...]) -> dict[str, str]:
    """How the file makes inputs to try the network on, passes them and tells their shapes."""
    zeros = [_zeros(x) for x in example]
    if len(zeros) == 1:
        return {"example": zeros[0], "called": "example", "taken": "tuple(example.shape)"}
    return {
        "example": f"({', '.join(zeros)})",
        "called": "*example",
        "taken": "[tuple(x.shape) for x in example]",
    }


def _zeros(x: Tensor) -> str:
    kind = "" if x.dtype == torch.float32 else f", dtype={x.dtype}"
    return f"torch.zeros({', '.join(map(str, x.shape))}{kind})"


def _head(title: str, notes: Mapping[str, str], body: str) -> str:
    """Docstring and imports."""
    told = [fill(f"{_plain(k)}: {_plain(v)}", _WIDTH, subsequent_indent="    ") for k, v in notes.items()]
    use = fill(
        "This file needs torch and weights.safetensors beside it, nothing else:"
        " `load()` gives the trained network, `python network.py` tries it out.",
        _WIDTH,
    )
    text = "\n".join([f'"""{_plain(title)}.', "", *told, *([""] if told else []), use, '"""'])
    imports = ["import json"]
    imports += ["import math"] if "math." in body else []
    imports += ["from collections import OrderedDict"] if "OrderedDict(" in body else []
    imports += ["from pathlib import Path", "", "import torch"]
    imports += ["from torch import Tensor, nn"]
    imports += ["from torch.nn import functional as F"] if re.search(r"\bF\.", body) else []
    return text + "\n\n" + "\n".join(imports)


def _plain(line: str) -> str:
    """One line that can stand in a docstring."""
    return (
        " ".join(line.split()).replace("\\", "/").replace('"""', "'''").rstrip(".").rstrip('"') or "A network"
    )


def _constants(left_out: Sequence[str]) -> str:
    found = ['WEIGHTS = Path(__file__).with_name("weights.safetensors")']
    if left_out:
        names = ", ".join(f'"{name}"' for name in left_out)
        found.append(f"ONLY_FOR_TRAINING = ({names},)  # weights that the network below does without")
    return "\n".join(found)


def _loading(left_out: Sequence[str]) -> str:
    if not left_out:
        return "network.load_state_dict(read_safetensors(weights))"
    keep = "{k: v for k, v in read_safetensors(weights).items() if not k.startswith(ONLY_FOR_TRAINING)}"
    return f"network.load_state_dict(\n        {keep}\n    )"


def _left_out(net: nn.Module, survey: Survey, path: str = "") -> Iterator[str]:
    """The starts of the names of weights that belong to modules without use in evaluation."""
    for name, child in net._modules.items():
        if child is None:
            continue
        at = join(path, name)
        trace = survey.traces.get(at)
        if at not in survey.used or (trace is not None and trace.identity):
            if child.state_dict():
                yield f"{at}."
        else:
            yield from _left_out(child, survey, at)


def _ties(net: nn.Module, survey: Survey) -> Iterator[str]:
    """Statements that make one of modules and parameters that the network holds at several places."""
    first: dict[int, str] = {}
    below: list[str] = []
    for kind in (net.named_modules(remove_duplicate=False), net.named_parameters(remove_duplicate=False)):
        for path, part in kind:
            owner = path if isinstance(part, nn.Module) else path.rpartition(".")[0]
            if not path or owner not in survey.used or any(path.startswith(f"{b}.") for b in below):
                continue
            if id(part) not in first:
                first[id(part)] = path
            elif not isinstance(part, nn.Module) or list(part.parameters()):
                below.append(path)
                yield f"{attribute(net, path)} = {attribute(net, first[id(part)])}"
