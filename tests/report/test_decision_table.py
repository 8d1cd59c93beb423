import pytest

from nasturtium.report.decision_table import Box, decision_table, table_figure
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision

DECISIONS = (
    Decision("resolution", (160, 192, 224), ordered=True),
    Decision("stage1/depth", (1, 2), ordered=True),
    Decision("stage1/block1/op", ("mb_conv_3x3", "skip_connect")),
    Decision("stage1/block1/inputs", (0, 1, 2), k=2),
    Decision("stage1/block2/op", ("mb_conv_3x3", "skip_connect")),
)
ARCH = Architecture(
    {
        "resolution": 224,
        "stage1/depth": 1,
        "stage1/block1/op": "mb_conv_3x3",
        "stage1/block1/inputs": (0, 2),
    }
)


def test_names_are_rows_and_columns():
    table = decision_table(ARCH, DECISIONS)
    assert table.rows == ("network", "stage1", "stage1/block1", "stage1/block2")
    assert table.columns == ("resolution", "depth", "op", "inputs")
    assert table.boxes["network", "resolution"] == Box("224", 1.0)
    assert table.boxes["stage1", "depth"] == Box("1", 0.0)
    assert table.boxes["stage1/block1", "op"] == Box("mb conv 3×3", None)
    assert table.boxes["stage1/block1", "inputs"] == Box("0, 2", None)
    assert table.boxes["stage1/block2", "op"] is None


def test_every_value_lies_within_the_picture_and_off_the_others():
    figure = table_figure(decision_table(ARCH, DECISIONS))
    figure.canvas.draw()
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(extents) == 4 + 4 + 4
    frame = figure.bbox
    for i, a in enumerate(extents):
        assert frame.x0 <= a.x0
        assert a.x1 <= frame.x1
        assert not any(a.overlaps(b) for b in extents[:i])


@pytest.mark.parametrize("text", ["x" * 400, "$a$ b", "ünï"])
def test_any_text_can_be_drawn(text):
    decision = Decision("a/b", (text, "c"))
    table = decision_table(Architecture({"a/b": text}), [decision])
    table_figure(table)
    assert len(table.boxes["a", "b"].text) <= 40
