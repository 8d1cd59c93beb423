import os
import pickle
import subprocess
import sys

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture

VALUES = {"normal/2/inputs": (0, 1), "normal/2<-0": "skip", "train/rate": 0.1, "depth": 3}


def test_it_cannot_be_changed():
    given = dict(VALUES)
    arch = Architecture(given)
    given["depth"] = 4
    assert arch["depth"] == 3
    with pytest.raises(TypeError):
        arch["depth"] = 4
    with pytest.raises(TypeError):
        del arch["depth"]


def test_order_does_not_matter():
    a, b = Architecture(VALUES), Architecture(dict(reversed(VALUES.items())))
    assert a == b
    assert hash(a) == hash(b)
    assert a.digest == b.digest
    assert a != Architecture({**VALUES, "depth": 4})
    assert a != VALUES


def test_equal_architectures_have_equal_hashes():
    values: list[dict] = [{"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": (1, 2)}, {"a": (1.0, 2)}, {"a": True}]
    for a in map(Architecture, values):
        for b in map(Architecture, values):
            assert a != b or hash(a) == hash(b)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_hash_and_digest_are_the_same_in_another_process(hash_seed):
    code = (
        "from nasturtium.space.architecture import Architecture;"
        f"a = Architecture({VALUES!r}); print(a.digest, hash(a))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [Architecture(VALUES).digest, str(hash(Architecture(VALUES)))]


def test_json_and_pickle_give_it_back():
    arch = Architecture(VALUES)
    for again in (Architecture.from_json(arch.to_json()), pickle.loads(pickle.dumps(arch))):
        assert again == arch
        assert again["normal/2/inputs"] == (0, 1)
        assert list(again) == list(arch)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", '"a"'])
def test_other_json_is_refused(text):
    with pytest.raises(UsageError, match="JSON"):
        Architecture.from_json(text)


def test_repr_shows_name_and_value_in_columns():
    arch = Architecture({"a": (0, 1), "longer": "x"})
    assert repr(arch).splitlines() == [f"Architecture {arch.digest}", "  a      = 0, 1", "  longer = x"]
