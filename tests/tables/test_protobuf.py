import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, UninterpretedOption

from nasturtium.tables.protobuf import fields


def test_messages_are_read_as_google_writes_them():
    """Messages that come with Google's package: text, numbers, doubles and messages in messages."""
    inner = [FieldDescriptorProto(name=name, number=number) for name, number in [("a", 1), ("bc", 536870911)]]
    found = fields(DescriptorProto(name="outer", field=inner).SerializeToString())
    assert found.keys() == {1, 2}
    assert found[1] == [b"outer"]
    assert [(f[1], f[3]) for f in map(fields, found[2])] == [([b"a"], [1]), ([b"bc"], [536870911])]
    option = UninterpretedOption(double_value=-0.1, positive_int_value=2**64 - 1, string_value=b"\0")
    assert fields(option.SerializeToString()) == {4: [2**64 - 1], 6: [-0.1], 7: [b"\0"]}
    assert fields(b"") == {}


def test_the_example_of_the_documentation():
    assert fields(bytes.fromhex("089601")) == {1: [150]}
    assert fields(bytes.fromhex("3d0000803e")) == {7: [0.25]}  # a float of 32 bits


@pytest.mark.parametrize("message", ["08", "0896", "0a0561", "0900000000", "3d0000", "ff" * 11])
def test_messages_that_are_cut_off_are_refused(message):
    with pytest.raises(ValueError, match="cut off"):
        fields(bytes.fromhex(message))


@pytest.mark.parametrize("kind", [3, 4, 6, 7])
def test_other_kinds_are_refused(kind):
    with pytest.raises(ValueError, match=f"field 1 is of the unknown kind {kind}"):
        fields(bytes([8 + kind, 1]))
