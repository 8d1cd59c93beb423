import itertools

import numpy as np
import pytest
from matplotlib.transforms import Affine2D

from nasturtium.report.arrange import arrange, nothing_edges
from nasturtium.report.drawings import cell_figure, line_path
from nasturtium.report.style import png, readable
from nasturtium.space.cell_graph import CellGraph, cell_graphs


def random_graphs(space, number):
    rng = np.random.default_rng(11)
    return [graph for _ in range(number) for graph in cell_graphs(space.sample(rng), space)]


@pytest.fixture(params=["darts_space", "topology_space"])
def graphs(request):
    return random_graphs(request.getfixturevalue(request.param), 20)


def test_every_edge_is_drawn_with_its_operation_or_named_as_carrying_nothing(graphs):
    for graph in graphs:
        drawing = arrange(graph)
        shown = [label for key, label in drawing.labels.items() if key[0] == "op"]
        drawn = [(line.keys[0], line.keys[-1]) for line in drawing.lines if line.keys[-1] != "output"]
        real = [(s, t, op) for s, t, op in graph.edges if op != "none"]
        assert sorted(shown) == sorted(readable(op) for _, _, op in real)
        assert sorted(drawn) == sorted((("state", s), ("state", t)) for s, t, _ in real)
        assert len(nothing_edges(graph)) == len(graph.edges) - len(real)


def test_written_labels_touch_neither_each_other_nor_leave_the_picture(graphs):
    for graph in graphs:
        figure = cell_figure(graph)
        figure.canvas.draw()  # which places the legend
        renderer = figure.canvas.get_renderer()
        (axes,), (legend,) = figure.axes, figure.legends
        boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
        boxes += [text.get_window_extent(renderer) for text in legend.get_texts()]
        assert len(boxes) >= len(graph.nodes) + 1
        assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        frame = figure.bbox
        assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 for b in boxes)


def points_of(path):
    """Points along a path, at most a hundredth of an inch apart, N×2."""
    scale = Affine2D().scale(1000)  # polygons are as fine as a pixel
    points = []
    for polygon in path.transformed(scale).to_polygons(closed_only=False):
        way = np.concatenate([[0.0], np.hypot(*np.diff(polygon, axis=0).T).cumsum()])
        steps = np.linspace(0, way[-1], int(way[-1] / 10) + 2)
        points.append(np.stack([np.interp(steps, way, polygon[:, i]) for i in (0, 1)], axis=1))
    return np.concatenate(points) / 1000


def test_no_line_runs_over_a_box_that_is_not_on_its_way(graphs):
    for graph in graphs:
        drawing = arrange(graph)
        for line in drawing.lines:
            x, y = points_of(line_path(line, drawing)).T
            for key in drawing.labels.keys() - set(line.keys):
                at = drawing.places[key]
                inside = (abs(x - at.x) < at.width / 2) & (abs(y - at.y) < at.height / 2)
                assert not inside.any(), (graph, line.keys, key)


def test_what_carries_nothing_is_faded():
    graph = CellGraph("cell", 1, ("input", "1", "2"), ((0, 1, "none"), (0, 2, "conv"), (1, 2, "skip")), (2,))
    live = {line.keys[0]: line.live for line in arrange(graph).lines if line.keys[-1] != "output"}
    assert live == {("state", 0): True, ("state", 1): False}
    assert nothing_edges(graph) == ("input → 1",)


def test_the_same_cell_gives_the_same_file(darts_space):
    graph = random_graphs(darts_space, 1)[0]
    assert png(cell_figure(graph)) == png(cell_figure(graph))


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ("sep_conv_3x3", "sep conv 3×3"),
        ("nor_conv_1x1", "conv 1×1"),
        ("skip_connect", "skip"),
        ("a$b$", "a$b$"),
    ],
)
def test_operations_are_written_as_people_do(op, words):
    assert readable(op) == words
    cell_figure(CellGraph("x", 1, ("input", "1"), ((0, 1, op),), (1,)))
