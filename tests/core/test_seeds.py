import os
import subprocess
import sys

import pytest

from nasturtium.core.seeds import seed_for


def test_a_seed_never_changes():
    """Stored runs are replayed with these: a change would break every one of them."""
    assert seed_for(0, "trial", 7) == 1_710_319_765_399_045_769


def test_parts_are_kept_apart():
    different = [(1, 2), (12,), ("1", 2), (1, "2"), (2, 1), ("1", "2"), ("12",), (1, 2, 0), ()]
    assert len({seed_for(*parts) for parts in different}) == len(different)
    assert all(0 <= seed_for(*parts) < 2**63 for parts in different)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_it_is_the_same_in_another_process(hash_seed):
    code = "from nasturtium.core.seeds import seed_for; print(seed_for('a', 3))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == seed_for("a", 3)
