"""Records of a TFRecord file, as TensorFlow's guide describes them
(https://www.tensorflow.org/tutorials/load_data/tfrecord).

A record is its length (64 bits, little-endian), a checksum of the length, the data, and a checksum of the
data. A checksum is the CRC-32C (Castagnoli, RFC 3720 B.4), turned by 15 bits and moved by a constant. That of
the length is checked, because a wrong length loses all that follows; that of the data is not: byte by byte in
Python it would take minutes for a file of gigabytes.
"""

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nasturtium.core.errors import UsageError

POLYNOMIAL = 0x82F63B78  # of CRC-32C, lowest bit first
HEADER = struct.Struct("<QI")
CHECKSUM = 4  # bytes


def records(path: Path) -> Iterator[bytes]:
    """The data of each record.

    Raises `UsageError` with the record's number, from 1, if the file ends in it or its length is damaged, and
    for a file that can't be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}") from None
    with file:
        left, number = path.stat().st_size, 1
        while header := file.read(HEADER.size):
            if len(header) < HEADER.size:
                raise UsageError(f"record {number} is cut off: the file is damaged or not whole")
            length, checksum = HEADER.unpack(header)
            if checksum != masked_crc(header[:8]):
                raise UsageError(f"record {number} has a damaged length: this is no TFRecord file, or broken")
            left -= HEADER.size + length + CHECKSUM
            if left < 0:
                raise UsageError(f"record {number} is cut off: the file is damaged or not whole")
            yield file.read(length)
            file.seek(CHECKSUM, 1)
            number += 1


@cache  # of lengths there are few
def masked_crc(data: bytes) -> int:
    """The checksum of TFRecord files."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
