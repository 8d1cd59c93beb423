import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "room", ["core", "space", "problem", "predictors", "strategies", "study", "report", "tables"]
)
def test_importing_a_torch_free_room_leaves_torch_unloaded(room):
    code = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module('nasturtium.{room}')\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    if 'strategies.learned' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        "assert 'torch' not in sys.modules, sorted(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
