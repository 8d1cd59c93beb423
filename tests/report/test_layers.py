import itertools

import numpy as np

from nasturtium.report.layers import Box, place


def overlap(a, b):
    return (
        abs(a.x - b.x) < (a.width + b.width) / 2 - 1e-9 and abs(a.y - b.y) < (a.height + b.height) / 2 - 1e-9
    )


def test_boxes_keep_their_distance_and_order_of_columns():
    rng = np.random.default_rng(0)
    for _ in range(20):
        boxes = {
            (c, i): Box(c, float(rng.uniform(0.2, 1.5)), float(rng.uniform(0.1, 0.5)))
            for c in range(4)
            for i in range(int(rng.integers(1, 6)))
        }
        links = [
            (a, b) for a, b in itertools.product(boxes, boxes) if b[0] == a[0] + 1 and rng.random() < 0.5
        ]
        places = place(boxes, links, gap=0.1)
        assert not any(overlap(a, b) for a, b in itertools.combinations(places.values(), 2))
        for a, b in itertools.combinations(places, 2):
            if a[0] == b[0]:
                needed = (boxes[a].height + boxes[b].height) / 2 + 0.1
                assert abs(places[a].y - places[b].y) >= needed - 1e-9
        for a, b in links:
            right = places[a].x + places[a].width / 2
            assert right < places[b].x - places[b].width / 2
        assert abs(min(p.y - p.height / 2 for p in places.values())) < 1e-9


def test_crossings_that_can_be_avoided_are():
    boxes = {name: Box(column, 0.3, 0.3) for column, name in [(0, "a"), (0, "b"), (1, "c"), (1, "d")]}
    places = place(boxes, [("a", "d"), ("b", "c")], gap=0.1)
    assert (places["a"].y < places["b"].y) == (places["d"].y < places["c"].y)
    assert abs(places["a"].y - places["d"].y) < 1e-9


def test_a_box_lies_in_the_middle_of_its_neighbours():
    boxes = {"a": Box(0, 0.3, 0.3), "b": Box(0, 0.3, 0.3), "c": Box(0, 0.3, 0.3), "sum": Box(1, 0.3, 0.3)}
    places = place(boxes, [("a", "sum"), ("b", "sum"), ("c", "sum")], gap=0.2)
    assert abs(places["sum"].y - sum(places[k].y for k in "abc") / 3) < 1e-9
