import json
from collections import deque

import numpy as np
import pytest

from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.snapshots import packed, restored
from nasturtium.strategies.unseen import Unseen

ARCH = Architecture({"kernel": 3, "rate": 0.1, "inputs": (0, 2), "op": "conv"})
MEASURED = Measurement({"accuracy": 0.5}, Cost(seconds=1.5, queries=1), ({"loss": 2.0},))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [1, 2.5, "x", (3, [4])],
        {"a": 1, 2: ("b", None)},
        ARCH,
        Trial(7, Proposal(ARCH), "ok", (1.0, -2.0), MEASURED),
        Trial(8, Proposal(ARCH, Fidelity(3)), "infeasible", error="too large", violation=0.5),
        [None, Trial(9, Proposal(ARCH), "failed", error="it broke")],
    ],
)
def test_what_is_packed_comes_back_from_json(value):
    back = restored(json.loads(json.dumps(packed(value))))
    assert back == value
    assert type(back) is type(value)


def test_an_array_comes_back_with_what_is_infinite():
    values = np.array([[1.5, np.inf], [-np.inf, 0.0]])
    assert (restored(json.loads(json.dumps(packed(values)))) == values).all()


def test_a_queue_keeps_its_length():
    back = restored(packed(deque([1, 2, 3], maxlen=3)), deque(maxlen=3))
    back.append(4)
    assert list(back) == [2, 3, 4]


def test_a_generator_goes_on():
    rng, other = np.random.default_rng(0), np.random.default_rng(1)
    rng.random(5)
    state = json.loads(json.dumps(packed(rng)))
    expected = rng.random(3)
    assert restored(state, other) is other
    assert (other.random(3) == expected).all()


def test_what_is_known_keeps_how_it_is_told_apart():
    """The key is code and stays."""
    unseen, other = (Unseen(key=lambda arch: str(arch["op"])) for _ in range(2))
    unseen.take(ARCH)
    back = restored(packed(unseen), other)
    assert Architecture({"op": "conv", "kernel": 5}) in back
    assert Architecture({"op": "pool"}) not in back


def test_what_it_does_not_know_is_refused():
    with pytest.raises(TypeError, match="can't hold object"):
        packed(object())
