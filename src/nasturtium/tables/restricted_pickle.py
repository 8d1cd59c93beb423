"""Reading pickles that others have made: containers, numbers, text and NumPy arrays, and nothing else.

A pickle is a program: it may name any function of any module and call it (see the warning in Python's
documentation of `pickle`). Here a name is looked up in a short list and in no module, so nothing that a file
names is imported, and everything that is not in the list is refused. A file can still be made to take long or
much memory. How NumPy's objects are pickled is told by their `__reduce__`, what a file of `torch.save` looks
like by `torch/serialization.py`.

Tensors are trained weights, which no table needs. They come as None, and PyTorch is not imported.
"""

import bz2
import math
import pickle
import re
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np

from nasturtium.core.errors import UsageError

PLAIN = (bool, int, float, complex, list, tuple, dict, set, frozenset)  # not str, which can grow without end
DTYPE = re.compile(r"[biufc]\d{1,2}|[SUO]\d{1,6}")
TENSOR = re.compile(
    r"torch(\.cuda)?\.\w+Storage|torch\.storage\._load_from_bytes|torch\._utils\._rebuild_\w+"
)
LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the first pickle in files of PyTorch before 1.6
LEGACY_HEADER = 3  # pickles before the object in such files: a magic number, the version, the machine


class Stream(Protocol):
    """What a pickle is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes or less; all by default."""

    def readline(self, size: int = -1, /) -> bytes:
        """A line, or so many bytes of it."""


def load_pickle(path: Path) -> Any:
    """The object in a file of one pickle; raises `UsageError` as `load` does."""
    with _opened(path) as file:
        return load(file)


def load_bz2(path: Path, most: int) -> Any:
    """The same of a compressed file; raises `UsageError` also where it unpacks to over `most` bytes."""
    with _opened(path) as file, bz2.BZ2File(file) as unpacked:
        return load(Limited(unpacked, most))


def load_torch(path: Path) -> Any:
    """The object in a file of `torch.save`, with None for each tensor; raises `UsageError` as `load` does."""
    with _opened(path) as file:
        if file.read(len(LEGACY)) == LEGACY:
            file.seek(0)
            for _ in range(LEGACY_HEADER):
                load(file)
            return load(file)
        try:
            with zipfile.ZipFile(file) as archive:
                (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
                with archive.open(name) as data:
                    # torch.save does not compress, so it is no larger than the file
                    return load(Limited(cast(zipfile.ZipExtFile, data), path.stat().st_size))
        except UsageError:
            raise
        except (ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise UsageError(f"it is no file of torch.save: {error}") from None


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}") from None


def load(file: Stream) -> Any:
    """The next object of an open file.

    Raises `UsageError` for a name that is not in the list, and for a file that is damaged.
    """
    try:
        return Restricted(file).load()
    except UsageError:
        raise
    except Exception as error:  # damage can raise anything, because what is damaged are calls
        raise UsageError(f"it is damaged or no pickle: {type(error).__name__}: {error}") from None


class Limited:
    """A stream that gives no more than `most` bytes: a small compressed file can unpack to any size.

    Raises `UsageError` past the limit.
    """

    def __init__(self, file: bz2.BZ2File | zipfile.ZipExtFile, most: int) -> None:
        self._file, self._most, self._left = file, most, most

    def read(self, size: int = -1, /) -> bytes:
        """As a file does."""
        return self._counted(self._file.read(self._cut(size)))

    def readline(self, size: int = -1, /) -> bytes:
        """As a file does."""
        return self._counted(self._file.readline(self._cut(size)))

    def peek(self, size: int = 0, /) -> bytes:
        """What comes next, which is read and counted later; without this a pickle is read byte by byte."""
        return self._file.peek(size)

    def _cut(self, size: int) -> int:
        return self._left + 1 if size < 0 else min(size, self._left + 1)

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise UsageError(
                f"it unpacks to over {self._most:,} bytes, more than a file of its kind should: it is"
                " damaged, or made to fill the memory"
            )
        return data


class Restricted(pickle.Unpickler):
    """Knows the names of plain containers, of NumPy's arrays and of PyTorch's tensors.

    What it gives a pickle to call are types of C and its own methods, because a pickle may also set
    attributes, and these have none that can be set.
    """

    def __init__(self, file: Stream) -> None:
        super().__init__(file)
        known: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "collections.defaultdict": self._defaultdict,
            "_codecs.encode": self._bytes,
            "numpy.ndarray": None,  # the kind of array that is reconstructed, always the same
            "numpy.dtype": self._dtype,
        }
        for module in ("builtins", "__builtin__"):
            known |= {f"{module}.{kind.__name__}": kind for kind in PLAIN}
            known[f"{module}.bytes"] = self._no_bytes
        for module in ("numpy.core", "numpy._core"):
            known[f"{module}.multiarray._reconstruct"] = self._array
            known[f"{module}.multiarray.scalar"] = self._scalar
            known[f"{module}.numeric._frombuffer"] = self._buffer
        self._known = known

    def find_class(self, module: str, name: str, /) -> Any:
        """What the list has under a name; raises `UsageError` for others."""
        full = f"{module}.{name}"
        if full in self._known:
            return self._known[full]
        if TENSOR.fullmatch(full):
            return self._weights
        raise UsageError(
            f"it asks for {full}, which no table needs and which was not run: it is another kind of file, or"
            " made to do harm"
        )

    def persistent_load(self, pid: Any, /) -> None:
        """The storage of a tensor, which is skipped."""

    def _weights(self, *_: object) -> None:
        """A tensor."""

    def _defaultdict(self, factory: Any = None) -> defaultdict[Any, Any]:
        if factory is not None and factory not in PLAIN:
            raise pickle.UnpicklingError(f"a dictionary makes its values by {factory!r}")
        return defaultdict(factory)

    def _no_bytes(self) -> bytes:
        return b""

    def _bytes(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes are written as latin1, not {encoding!r}")
        return text.encode("latin1")

    def _dtype(self, text: str, *_: object) -> "Kind":
        return Kind(text)

    def _array(self, *_: object) -> "Array":
        return np.ndarray.__new__(Array, (0,))

    def _scalar(self, kind: "Kind", data: bytes) -> Any:
        return np.frombuffer(data, kind.dtype).reshape(())[()]

    def _buffer(self, data: Any, kind: "Kind", shape: Any, order: str) -> np.ndarray:
        return np.frombuffer(bytes(data), kind.dtype).reshape(shape, order="F" if order == "F" else "C")


class Kind:
    """A dtype of numbers, text or objects: of what a pickle sets, only the order of bytes is taken.

    NumPy believes the rest, such as the size of an element, whatever it is.
    """

    def __init__(self, text: str) -> None:
        if not DTYPE.fullmatch(text):
            raise pickle.UnpicklingError(f"arrays of {text!r} are not read")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Array(np.ndarray):
    """An array that is given its elements, after a check of how many there are."""

    def __setstate__(self, state: Any, /) -> None:
        _, shape, kind, fortran, elements = state
        if not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"an array has the shape {shape}")
        expected = math.prod(shape) * (1 if kind.dtype == object else kind.dtype.itemsize)
        if type(elements) is not (list if kind.dtype == object else bytes) or len(elements) != expected:
            raise pickle.UnpicklingError(f"an array of shape {shape} has other than {expected} elements")
        state = (1, tuple(shape), kind.dtype, bool(fortran), elements)
        super().__setstate__(state)
