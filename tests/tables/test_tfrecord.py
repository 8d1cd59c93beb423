import pytest

from nasturtium.core.errors import UsageError
from nasturtium.tables.tfrecord import crc32c, masked_crc, records
from record_files import write_records


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksum_is_that_of_the_standard(data, crc):
    """The examples of RFC 3720 B.4, and the usual check value."""
    assert crc32c(data) == crc


def test_the_mask_turns_and_moves():
    crc = crc32c(b"abc")
    turned = (crc >> 15 | crc << 17) % 2**32
    assert (masked_crc(b"abc") - turned) % 2**32 == 0xA282EAD8


def test_records_come_in_order(tmp_path):
    path = tmp_path / "x.tfrecord"
    write_records(path, [b"one", b"", bytes(1000)])
    assert list(records(path)) == [b"one", b"", bytes(1000)]
    path.write_bytes(b"")
    assert list(records(path)) == []


def test_a_file_is_read_as_others_write_it(tmp_path):
    """The first record of an event file of TensorBoard, which is a TFRecord file."""
    event = bytes.fromhex("090000000000000040") + b"\x1a\x0dbrain.Event:2"
    header = (24).to_bytes(8, "little")
    assert len(event) == 24
    path = tmp_path / "x.tfrecord"
    path.write_bytes(header + masked_crc(header).to_bytes(4, "little") + event + bytes(4))
    assert list(records(path)) == [event]
    assert masked_crc(header).to_bytes(4, "little").hex() == "a37f4b22"


def test_broken_files_are_refused_with_the_number_of_the_record(tmp_path):
    path = tmp_path / "x.tfrecord"
    write_records(path, [b"one", b"two"])
    whole = path.read_bytes()
    second = len(whole) // 2
    for cut in (1, 11, 12, 14, 18):
        path.write_bytes(whole[: second + cut])
        with pytest.raises(UsageError, match="record 2 is cut off"):
            list(records(path))
    for place in (0, 3, 7, 8, 11):
        damaged = bytearray(whole)
        damaged[second + place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match="record 2 has a damaged length"):
            list(records(path))
    with pytest.raises(UsageError, match="can't be read: No such file"):
        list(records(tmp_path / "none"))
