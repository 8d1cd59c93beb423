"""Messages of Protocol Buffers without their definition (https://protobuf.dev/programming-guides/encoding/)."""

import struct
from typing import Any

VARINT, DOUBLE, LENGTH, FLOAT = 0, 1, 2, 5
FIXED = {DOUBLE: struct.Struct("<d"), FLOAT: struct.Struct("<f")}


def fields(message: bytes) -> dict[int, list[Any]]:
    """The values of each field by its number, in order.

    Whole numbers are taken as unsigned, fixed ones as floating-point; text and messages are bytes. Raises
    `ValueError` for a message that is cut off or of the groups that are no longer in use.
    """
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        value: Any
        if kind == VARINT:
            value, at = _varint(message, at)
        elif kind == LENGTH:
            length, start = _varint(message, at)
            at = start + length
            value = message[start:at]
        elif kind in FIXED:
            size = FIXED[kind].size
            (value,) = FIXED[kind].unpack(message[at : at + size].ljust(size, b"\0"))
            at += size
        else:
            raise ValueError(f"field {number} is of the unknown kind {kind}")
        if at > len(message):
            raise ValueError(f"field {number} is cut off")
        found.setdefault(number, []).append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a whole number is cut off")
