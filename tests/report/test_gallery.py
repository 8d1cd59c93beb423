import math

import numpy as np
import pytest

from nasturtium.core.errors import StorageError
from nasturtium.core.registry import Info
from nasturtium.report.arrange import arrange
from nasturtium.report.drawings import cell_figure
from nasturtium.report.gallery import exhibit, write_gallery
from nasturtium.report.pictures import decisions_picture
from nasturtium.report.tables import count
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

INFO = Info("mine", "a <b>space</b>", "https://example.org/paper")
VERTICES = CellGraph(
    "cell",
    1,
    ("input", "1", "2", "3"),
    ((0, 1, ""), (1, 2, ""), (0, 3, "")),
    (1, 3),
    "mean",
    ("", "conv3x3", "maxpool3x3", "none"),
)


def test_a_cell_is_drawn_and_what_it_does_not_tell_is_a_table(darts_space):
    depth = Decision("depth", (1, 2, 3), ordered=True)
    space = SearchSpace([depth, *darts_space.decisions.values()], darts_space.conditions)
    shown = exhibit(INFO, space, space.sample(np.random.default_rng(0)))
    assert [picture.name for picture in shown.pictures] == ["cell-1-normal", "cell-2-reduce", "decisions"]
    assert shown.pictures[-1].alt.startswith("depth: ")


def test_what_a_cell_leaves_switched_off_is_in_no_table():
    on = {"1/units": frozenset([frozenset([When("1/kind", frozenset(["layer"]))])])}
    decisions = [
        Decision("1/kind", ("layer", "sum")),
        Decision("1/units", (8, 16)),
        Decision("depth", (1, 2)),
    ]
    cell = CellGraph("cell", 1, ("in", "1"), ((0, 1, ""),), (1,), ops=("", "sum"), decisions=("1/kind",))
    space = SearchSpace(decisions, on, graphs=lambda arch: [cell])
    shown = decisions_picture(Architecture({"1/kind": "sum", "depth": 2}), space, [cell])
    assert shown.alt == "depth: 2."
    assert shown.width < 200  # one column


def test_the_page_and_a_file_for_each_picture_are_written(darts_space, tmp_path):
    arch = darts_space.sample(np.random.default_rng(0))
    page = write_gallery([exhibit(INFO, darts_space, arch, "Genotype(…)")], tmp_path / "new")
    files = sorted(path.name for path in page.parent.iterdir())
    assert files == ["gallery.html", "mine-cell-1-normal.png", "mine-cell-2-reduce.png"]
    text = page.read_text()
    assert "a &lt;b&gt;space&lt;/b&gt;" in text
    assert "Genotype(…)" in text
    assert text.count("data:image/png;base64,") == 2


def test_a_folder_that_cannot_be_made_is_named(darts_space, tmp_path):
    (tmp_path / "file").write_text("")
    shown = exhibit(INFO, darts_space, darts_space.sample(np.random.default_rng(0)))
    with pytest.raises(StorageError, match="gallery can't be written to .*file"):
        write_gallery([shown], tmp_path / "file")


def test_operations_at_nodes_stand_in_their_boxes_and_plain_edges_have_none():
    drawing = arrange(VERTICES)
    assert {label for key, label in drawing.labels.items() if key[0] == "state"} == {
        "input",
        "1 · conv3×3",
        "2 · maxpool3×3",
        "3 · none",
    }
    assert not [key for key in drawing.labels if key[0] == "op"]
    words = [text.get_text() for text in cell_figure(VERTICES).legends[0].get_texts()]
    assert "averaged to the output" in words


def test_an_unbounded_space_is_said_to_be():
    assert count(math.inf) == "unbounded"
