import os
import sys

import pytest
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start

settings.register_profile("nasturtium", deadline=None, derandomize=True, database=None)
settings.load_profile("nasturtium")


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side, and sums over several threads may differ in the last bit."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
