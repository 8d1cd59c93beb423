import math
from pathlib import Path

import pytest
import torch
from torch import nn

from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity, Measurement
from nasturtium.training.augment import in_order
from nasturtium.training.evaluate import EVALUATION_BATCH
from nasturtium.training.normalise import Normalise
from path_search_parts import BLUEPRINTS, FABRIC, TRAIN, VALID


def measured(supernet: Supernet, path, *, seed: int = 0) -> Measurement:
    estimator = InheritedEstimator(lambda arch: derive(supernet.net, arch), TRAIN, VALID, fabric=FABRIC)
    return estimator.evaluate(Job(0, path, Fidelity(0), seed, Path("unused")), lambda *_: True)


def with_odd_statistics(name: str) -> Supernet:
    """As a training over all paths leaves it: statistics that fit no single path."""
    supernet = Supernet(BLUEPRINTS[name], seed=3).train()
    generator = torch.Generator().manual_seed(0)
    for buffer_name, buffer in supernet.named_buffers():
        if "running" in buffer_name:
            buffer.uniform_(0.5, 3, generator=generator)
    return supernet


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_it_is_the_path_with_statistics_of_its_own(name):
    supernet = with_odd_statistics(name)
    before = {n: t.clone() for n, t in supernet.state_dict().items()}
    paths = list(supernet.space.enumerate())
    found = [measured(supernet, path) for path in paths]
    again = [measured(supernet, path) for path in reversed(paths)]
    assert [m.metrics for m in again] == [m.metrics for m in found[::-1]]
    assert all(torch.equal(t, before[n]) for n, t in supernet.state_dict().items())
    assert len({m.metrics["valid_loss"] for m in found}) > 3
    path, metrics = paths[-1], found[-1].metrics
    # all 40 images are one batch, so its own mean and unbiased variance are what the norms should have
    normalise = Normalise.measured(TRAIN)
    (x_train, _), (x, y) = (next(in_order(s, 40, normalise=normalise)) for s in (TRAIN, VALID))
    supernet.activate(path)
    norms = [m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        supernet(x_train)
        logits = supernet.eval()(x)
    assert metrics["valid_loss"] == pytest.approx(nn.functional.cross_entropy(logits, y).item(), abs=1e-5)
    assert metrics["valid_accuracy"] == pytest.approx((logits.argmax(1) == y).float().mean().item())
    assert metrics["parameters"] == count_parameters(BLUEPRINTS[name].build(path, 0))


def test_it_counts_passes_and_trains_nothing():
    supernet = with_odd_statistics("chain")
    cost = measured(supernet, next(iter(supernet.space.enumerate()))).cost
    assert cost.forward == math.ceil(40 / EVALUATION_BATCH) + math.ceil(24 / EVALUATION_BATCH)
    assert (cost.backward, cost.samples) == (0, 0)
