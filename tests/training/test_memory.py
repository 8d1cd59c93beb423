import os
import platform
import subprocess
import sys

import pytest

from nasturtium.training.memory import SET_BY_A_PERSON

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these options")

SCRIPT = """
import resource
import torch
from nasturtium.training.device import make_fabric
make_fabric("cpu")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    kept = [torch.ones(2_000_000) for _ in range(10)]  # 80 MB
for _ in range(5):
    step()
before = faults()
step()
print(faults() - before)
"""
PAGES = 80_000_000 // 4096


def pages_fetched(**environment: str) -> int:
    """How many pages the last of six equal steps got from the system."""
    outside = {name: value for name, value in os.environ.items() if name not in SET_BY_A_PERSON}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={**outside, **environment},
    )
    return int(result.stdout)


@glibc
def test_a_step_computes_in_the_memory_of_the_one_before():
    assert pages_fetched() < PAGES / 20


@glibc
def test_what_the_environment_says_of_allocation_stays():
    assert pages_fetched(MALLOC_MMAP_THRESHOLD_="1000000") > PAGES / 2
