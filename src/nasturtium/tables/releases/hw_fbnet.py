"""What the blocks of FBNet cost on the devices of HW-NAS-Bench (Li et al. 2021,
https://arxiv.org/abs/2103.10584), from `HW-NAS-Bench-v1_0.pickle`.

Under `fbnet` the file has a dictionary for each metric, such as `pixel3_latency` (ms) and `fpga_energy` (mJ),
with the cost of a block by a text that tells its sizes; the cost of a network is the sum of its blocks'. This
is described by `hw_nas_bench_api/hw_nas_bench_api.py` of https://github.com/GATECH-EIC/HW-NAS-Bench. There is
no table of 9²² networks, but these sums are what a `CostTable` of the space `fbnet` adds up:

`CostTable("latency_ms", space, fbnet_costs(path, "pixel3_latency", "ImageNet"))`
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.conditions import Conjunction, When
from nasturtium.tables.fbnet import LAYERS, STEM, STRIDES, WIDTHS
from nasturtium.tables.releases.hw_nas_bench import part

BLOCKS = {  # kernel, expansion, groups
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}
NETWORKS = {  # pixels of a side, strides of the stem and of stages, last channels, classes
    "ImageNet": (224, 2, STRIDES, 1984, 1000),
    "cifar100": (32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),
}


def fbnet_costs(path: Path, metric: str, dataset: str) -> dict[Conjunction, float]:
    """The costs of the options of each layer, and under the empty conjunction that of all that is fixed.

    Raises `UsageError` for an unknown metric or data set, and for a file that lacks a block.
    """
    try:
        metrics = part(path, "fbnet")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    for name, known in ((metric, metrics), (dataset, NETWORKS)):
        if name not in known:
            raise UsageError(f"HW-NAS-Bench has no {name!r} of FBNet: {did_you_mean(name, known)}")
    costs: dict[Conjunction, float] = {frozenset(): 0.0}
    for when, block in _blocks(*NETWORKS[dataset]):
        try:
            costs[when] = costs.get(when, 0.0) + float(metrics[metric][block])
        except (LookupError, TypeError, ValueError):
            raise UsageError(f"{path}: there is no cost of {block} under {metric!r}") from None
    return costs


def _blocks(
    side: int, stem: int, strides: tuple[int, ...], last: int, classes: int
) -> Iterator[tuple[Conjunction, str]]:
    """Every block with what switches it on."""
    always: Conjunction = frozenset()
    yield always, _text("ConvNorm", side, 3, STEM, kernel=3, stride=stem, group=1)
    side, in_ = side // stem, STEM
    for stage, (out, layers) in enumerate(zip(WIDTHS, LAYERS, strict=True), start=1):
        for i in range(1, layers + 1):
            stride = strides[stage - 1] if i == 1 else 1
            decision = f"stage{stage}/layer{i}"
            for option, (kernel, expansion, group) in BLOCKS.items():
                sizes = {"exp": expansion, "kernel": kernel, "stride": stride, "group": group}
                yield _is(decision, option), _text("ConvBlock", side, in_, out, **sizes)
            yield _is(decision, "skip"), _text("Skip", side, in_, out, stride=stride)
            side, in_ = side // stride, out
    yield always, _text("ConvNorm", side, in_, last, kernel=1, stride=1, group=1)
    yield always, _text("AvgP", side, last, last, kernel=side, stride=1)
    yield always, f"FC_Cin{last}_Cout{classes}"


def _is(decision: str, option: str) -> Conjunction:
    return frozenset([When(decision, frozenset([option]))])


def _text(kind: str, side: int, in_: int, out: int, **sizes: Any) -> str:
    tail = "".join(f"_{name}{size}" for name, size in sizes.items())
    return f"{kind}_H{side}_W{side}_Cin{in_}_Cout{out}{tail}"
