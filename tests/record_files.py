"""Files of records as TensorFlow writes them."""

import struct
from collections.abc import Iterable
from pathlib import Path

from nasturtium.tables.tfrecord import masked_crc


def write_records(path: Path, records: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc(length)))
            file.write(data + struct.pack("<I", masked_crc(data)))
