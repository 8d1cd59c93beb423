"""Times encodings and canonical forms of all 15,625 NAS-Bench-201 cells, and counts different cells.

Each encoding is made of all cells at once and, for comparison, in a loop over single architectures (of which
only some are run and scaled up).
"""

import argparse
from time import perf_counter

from nasturtium.space.architecture import Architecture
from nasturtium.space.encodings import KINDS
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.nasbench201 import nasbench201


def seconds(space: SearchSpace, archs: list[Architecture], kind: str, looped: int) -> tuple[float, float]:
    """For all at once, and for one after the other."""
    start = perf_counter()
    space.encode(archs, kind)
    at_once = perf_counter() - start
    some = archs[:: max(1, len(archs) // looped)]
    start = perf_counter()
    for arch in some:
        space.encode(arch, kind)
    return at_once, (perf_counter() - start) * len(archs) / len(some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looped", type=int, default=1000, help="single architectures that are encoded")
    looped: int = parser.parse_args().looped
    space = nasbench201((3, 32, 32), 10).space
    archs = list(space.enumerate())
    start = perf_counter()
    print(f"{len(archs):,} cells; what cells can be is found out in {_time(space.layout, start)}\n")
    print("| encoding | features | all at once | one by one | ratio |\n|---|---|---|---|---|")
    for kind in KINDS:
        at_once, single = seconds(space, archs, kind, looped)
        width = len(space.encoding_names(kind))
        print(f"| {kind} | {width} | {at_once:.2f} s | {single:.1f} s | {single / at_once:.0f} |")
    print("\n| canonical form | different cells | time |\n|---|---|---|")
    for kind in ("graph", "written"):
        start = perf_counter()
        forms = {space.canonical(arch, kind) for arch in archs}
        print(f"| {kind} | {len(forms):,} | {perf_counter() - start:.2f} s |")


def _time(_: object, start: float) -> str:
    return f"{perf_counter() - start:.2f} s"


if __name__ == "__main__":
    main()
