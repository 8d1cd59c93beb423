import subprocess
import sys

import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.training.device import make_fabric


@pytest.mark.parametrize(
    ("precision", "dtype"), [("auto", torch.float32), ("32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_precision_on_a_cpu(precision, dtype):
    fabric = make_fabric("cpu", precision)
    assert fabric.device.type == "cpu"
    with fabric.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("tpu", "auto", "unknown device 'tpu'"),
        ("cuda:x", "auto", "unknown device 'cuda:x'"),
        ("cpu:1", "auto", "no device 'cpu:1'"),
        ("cuda:99", "auto", "no device 'cuda:99'"),
        ("cpu", "16", "unknown precision '16'"),
    ],
)
def test_what_is_not_there_is_refused(device, precision, message):
    with pytest.raises(UsageError, match=message):
        make_fabric(device, precision)


def test_nothing_is_printed():
    code = "from nasturtium.training.device import make_fabric; make_fabric()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""
