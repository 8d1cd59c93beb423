"""Check parameters and multiply-adds of NAS-Bench-201 networks against the published figures.

Reads a table with the columns `arch` (the benchmark's notation), `params` and `flops` (in
millions, for CIFAR-10 at 16 channels and 5 cells a stage), builds the network of every row and
compares. The table holds 8 significant digits: parameters are exact, multiply-adds exact below
100 million and rounded to tens above. The published figures exceed ours on every row as if the global
pooling of 8×8 pixels had a window of 9×9, by (9·9 − 8·8)·64 = 1,088, which is added to ours
before comparing. Leaves with exit code 1 if any row disagrees.
"""

import argparse
import csv
import gzip
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch

from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.nasbench201 import from_string, nasbench201

POOLING_SLIP = (9 * 9 - 8 * 8) * 64
SHOWN = 10  # disagreements that are printed


def published(path: Path) -> Iterator[tuple[str, str, str]]:
    """Each row's architecture, parameters and multiply-adds, as written there."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["arch"], row["params"], row["flops"]


def in_millions(count: int) -> str:
    """A count as the table writes it: millions, 8 significant digits."""
    return f"{count / 1e6:.8g}"


def counted(blueprint: Blueprint, text: str) -> tuple[int, int]:
    """Parameters and multiply-adds of the network as built and run on one black image."""
    net = blueprint.build(from_string(text), seed=0)
    return count_parameters(net), count_flops(net, torch.zeros(1, 3, 32, 32))


def compare(blueprint: Blueprint, path: Path) -> Counter[str]:
    """How many rows agree, by what is compared; the first rows that disagree are printed."""
    agree: Counter[str] = Counter()
    for text, params, flops in published(path):
        our_params, our_flops = counted(blueprint, text)
        agree["rows"] += 1
        agree["parameters equal"] += in_millions(our_params) == params
        agree["multiply-adds equal"] += in_millions(our_flops) == flops
        slipped = in_millions(our_flops + POOLING_SLIP)
        agree["multiply-adds equal with the 1,088"] += slipped == flops
        agree["of these below 10⁸, exact to one"] += slipped == flops and our_flops + POOLING_SLIP < 10**8
        agree["everything equal"] += in_millions(our_params) == params and slipped == flops
        wrong = agree["rows"] - agree["everything equal"]
        if (in_millions(our_params), slipped) != (params, flops) and wrong <= SHOWN:
            print(f"{text}: counted {our_params:,} and {our_flops:,}; published {params} and {flops} million")
    return agree


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="the published table, .csv.gz"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = perf_counter()
    agree = compare(nasbench201((3, 32, 32), 10), options.data)
    for what, rows in agree.items():
        print(f"{what:<36}{rows:>6,}")
    print(f"{'seconds':<36}{perf_counter() - began:>6.0f}")
    return 0 if agree["rows"] and agree["everything equal"] == agree["rows"] else 1


if __name__ == "__main__":
    sys.exit(main())
