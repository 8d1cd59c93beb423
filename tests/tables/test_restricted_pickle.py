import bz2
import io
import os
import pickle
import pickletools
import sys
import zipfile
from collections import OrderedDict, defaultdict
from contextlib import suppress

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.tables.restricted_pickle import load, load_bz2, load_pickle, load_torch

PLAIN = {
    "numbers": [1, 2**70, 0.5, True, None, 1 + 2j, "ä", b"\xff\0", b""],
    "containers": (OrderedDict([("a", 1)]), defaultdict(list, {1: [2]}), {1, 2}, frozenset([3])),
    "scalars": [np.float64(3.5), np.float32(0.25), np.int64(-7), np.bool_(True), np.str_("ab")],
}
ARRAYS = {
    "rows": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "swapped": np.arange(3, dtype=">i4"),
    "text": np.array(["ab", "c"]),
    "objects": np.array([{"x": 1}, [2]], dtype=object),
    "empty": np.zeros((0, 3)),
}


def loaded(data: bytes):
    return load(io.BytesIO(data))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_as_it_was_written(protocol):
    found = loaded(pickle.dumps(PLAIN, protocol))
    assert found == PLAIN
    assert repr(found) == repr(PLAIN)  # types as well
    found = loaded(pickle.dumps(ARRAYS, protocol))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        assert found[name].dtype.kind == array.dtype.kind
        assert found[name].tolist() == array.tolist()


def test_the_names_of_older_and_newer_numpy_are_known():
    new = pickle.dumps([np.arange(3), np.float64(2)], 2)
    old = new.replace(b"numpy._core", b"numpy.core")
    assert old != new
    assert [np.asarray(value).tolist() for value in loaded(old)] == [[0, 1, 2], 2.0]


class Calls:
    """Pickled as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def named(module: str, name: str) -> bytes:
    """A pickle that is just a name, also one that Python would not write."""
    return pickle.PROTO + b"\4" + b"".join(
        pickle.SHORT_BINUNICODE + bytes([len(text.encode())]) + text.encode() for text in (module, name)
    ) + pickle.STACK_GLOBAL + pickle.STOP  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_that_a_file_asks_for_is_run(tmp_path, protocol):
    marker = tmp_path / "marker"
    calls = {
        f"{os.name}.system": Calls(os.system, f"touch {marker}"),
        "builtins.eval": Calls(eval, f"open({str(marker)!r}, 'w')"),
        "builtins.exec": Calls(exec, f"open({str(marker)!r}, 'w')"),
        "builtins.getattr": Calls(getattr, Calls(__import__, "os"), "system"),
        "io.open": Calls(open, str(marker), "w"),
        "numpy.save": Calls(np.save, str(marker), 1),
        "numpy.fromfile": Calls(np.fromfile, __file__),
        "builtins.bytearray": Calls(bytearray, 10**12),
    }
    for name, call in calls.items():
        last = name.split(".")[-1]
        with pytest.raises(UsageError, match=rf"asks for [\w.]+\.{last}\b.*not run|asks for .*__import__"):
            loaded(pickle.dumps({"fine": [1, call]}, protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "getattr"),
        ("builtins", "str"),
        ("__builtin__", "unicode"),
        ("builtins", "list.__class__"),
        ("collections", "OrderedDict.__init__"),
        ("collections", "OrderedDict.fromkeys.__self__"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.testing._private.utils", "runstring"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_x.y"),
        ("torch.hub", "load"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("pickle", "loads"),
        ("antigravity", "fly"),
        ("", ""),
    ],
)
def test_names_outside_the_list_are_refused_and_nothing_is_imported(module, name):
    before = set(sys.modules)
    with pytest.raises(UsageError) as caught:
        loaded(named(module, name))
    assert f"asks for {module}.{name}, which no table needs" in str(caught.value)
    assert set(sys.modules) == before


def test_a_pickle_can_not_change_what_it_is_given_to_call():
    """BUILD sets attributes: those of an object by a dictionary, slots by the second of a pair."""
    for module, name in [
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("numpy", "dtype"),
        ("builtins", "set"),
        ("numpy._core.multiarray", "scalar"),
    ]:
        for state in ({"__call__": 1, "evil": 2}, (None, {"__setstate__": list, "__defaults__": (1,)})):
            build = pickle.dumps(state, 2)[2:-1] + pickle.BUILD + pickle.STOP
            with suppress(UsageError):
                loaded(named(module, name)[:-1] + build)
    assert loaded(pickle.dumps(PLAIN)) == PLAIN
    assert loaded(pickle.dumps(ARRAYS))["rows"].tolist() == ARRAYS["rows"].tolist()


def altered(array: np.ndarray, **changes) -> bytes:
    """The pickle of an array whose state is another: its shape, its elements, its type."""
    _, arguments, (version, shape, kind, fortran, elements) = array.__reduce__()
    given = {"shape": shape, "kind": kind, "elements": elements} | changes
    call = Calls.__new__(Calls)
    call.call = (
        array.__reduce__()[0],
        arguments,
        (version, given["shape"], given["kind"], fortran, given["elements"]),
    )
    return pickle.dumps(call, 2)


class Forged:
    """A type of elements that says of itself what is not so."""

    def __init__(self, text, state):
        self.text, self.state = text, state

    def __reduce__(self):
        return np.dtype, (self.text, False, True), self.state


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (3,)},
        {"shape": (-1, -2)},
        {"shape": (True, 2)},
        {"elements": b"x" * 15},
        {"elements": [1, 2]},
        {"kind": np.dtype(object)},
        {"kind": np.dtype(object), "elements": [1]},
        {"kind": np.dtype([("a", "i8"), ("b", "i8")])},
        {"kind": np.dtype("M8[s]")},
        {"kind": Forged("V8", (3, "|", None, None, None, 8, 1, 63))},
    ],
)
def test_arrays_that_are_not_what_they_say_are_refused(changes):
    assert loaded(altered(np.arange(2.0))).tolist() == [0, 1]
    with pytest.raises(UsageError, match="damaged"):
        loaded(altered(np.arange(2.0), **changes))


def test_what_a_type_says_of_its_size_and_its_objects_is_not_believed():
    """NumPy itself would take the eight bytes of each for the address of an object."""
    forged = Forged("f8", (3, "<", None, None, None, -1, -1, 63))
    found = loaded(altered(np.arange(2.0), kind=forged))
    assert found.dtype == np.dtype("f8")
    assert found.tolist() == [0, 1]


def test_a_dictionary_makes_values_of_plain_types_only():
    assert loaded(pickle.dumps(defaultdict(int)))["x"] == 0
    by_dtype = named("collections", "defaultdict")[:-1] + named("numpy", "dtype")[2:-1] + b"\x85R."
    pickletools.dis(by_dtype, io.StringIO())  # well formed
    with pytest.raises(UsageError, match="makes its values by"):
        loaded(by_dtype)


@pytest.mark.parametrize("data", [b"", b"x", pickle.dumps(PLAIN)[:-1], b"\x80\x05.", b"\x80\xff.", b"N" * 9])
def test_damage_is_told(data):
    with pytest.raises(UsageError, match="damaged or no pickle"):
        loaded(data)


def test_files(tmp_path):
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(PLAIN))
    assert load_pickle(tmp_path / "x.pickle") == PLAIN
    with pytest.raises(UsageError, match="can't be read: No such file"):
        load_pickle(tmp_path / "none.pickle")
    path = tmp_path / "x.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(PLAIN)))
    assert load_bz2(path, 10_000) == PLAIN
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UsageError, match="damaged"):
        load_bz2(path, 10_000)
    path.write_bytes(pickle.dumps(PLAIN))
    with pytest.raises(UsageError, match="damaged"):
        load_bz2(path, 10_000)


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps("x" * 2_000_000),  # in one piece
        pickle.dumps([0.5 + i for i in range(200_000)]),  # in many
        b"(" * 2_000_000,
        b"I" + b"0" * 2_000_000 + b"\n.",  # in a line
    ],
)
def test_small_files_that_unpack_to_large_ones_are_refused(tmp_path, data):
    path = tmp_path / "bomb.pickle.pbz2"
    path.write_bytes(bz2.compress(data))
    with pytest.raises(UsageError, match="unpacks to over 1,000,000 bytes"):
        load_bz2(path, 1_000_000)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save_come_without_weights(tmp_path, zipped):
    path = tmp_path / "x.pth"
    weights = {"net": torch.nn.Linear(2, 2).state_dict(), "p": torch.nn.Parameter(torch.ones(2))}
    torch.save({**PLAIN, **weights, "rows": ARRAYS["rows"]}, path, _use_new_zipfile_serialization=zipped)
    found = load_torch(path)
    assert {name: found[name] for name in PLAIN} == PLAIN
    assert found["rows"].tolist() == ARRAYS["rows"].tolist()
    assert found["net"] == {"weight": None, "bias": None}
    assert found["p"] is None
    torch.save(
        [Calls(os.system, f"touch {tmp_path / 'marker'}")], path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(UsageError, match=r"asks for posix\.system"):
        load_torch(path)
    assert not (tmp_path / "marker").exists()


def test_pickled_tensors_come_as_none_and_what_they_hold_is_not_read():
    """A storage is pickled as the bytes of a file of torch.save, which anything could be in."""
    found = loaded(pickle.dumps([1, torch.ones(2), Calls(torch.storage._load_from_bytes, b"any")]))
    assert found == [1, None, None]


def test_other_files_are_no_files_of_torch_save(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(pickle.dumps(PLAIN))
    with pytest.raises(UsageError, match=r"no file of torch\.save"):
        load_torch(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(UsageError, match=r"no file of torch\.save"):
        load_torch(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps("x" * 2_000_000))
    with pytest.raises(UsageError, match="unpacks to over"):
        load_torch(path)
