"""Progressive DARTS: the supernet grows in depth while operations are left out (Chen et al. 2019,
https://arxiv.org/abs/1904.12760).

Deeper supernets are nearer to the network that is trained in the end, and fewer operations make them
affordable. Two rules keep skip connections, which learn easily, from taking over: they drop elements at
first, and few are left in the end.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import METHODS, Json, Stage, Task
from nasturtium.methods.conclusion import conclude
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import Pace, Timing, pace_of
from nasturtium.modules.blueprint import Blueprint
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.decision import Option
from nasturtium.space.discretize import Probabilities, discretize
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run

MOST_EPOCHS = 25  # of each stage, the authors' number on CIFAR-10
MOST_SKIPS = 2
SETTINGS = BilevelSettings(warmup=0.4, alpha_learning_rate=6e-4)

Options = Mapping[str, Sequence[Option]]


@dataclass(frozen=True)
class Part:
    """A stage: its name, depth (see `deepened`), share of each decision's options, and first rate of dropout
    behind skip connections, as the authors have them on CIFAR-10.
    """

    name: str
    depth: int
    share: float
    skip_dropout: float


PARTS = (Part("search 1", 1, 1.0, 0.0), Part("search 2", 2, 5 / 8, 0.4), Part("search", 3, 3 / 8, 0.7))


@METHODS.register(
    "p-darts",
    summary="DARTS in three stages: deeper and deeper, with fewer and fewer operations",
    paper="https://arxiv.org/abs/1904.12760",
    abilities=["mixture"],
    settings=SETTINGS,
)
def p_darts(task: Task) -> list[Stage]:
    """Three searches of equally many steps share the budget.

    Unless it is set, `skip_dropout` begins at 0 in the first, at 0.4 in the second and at 0.7 in the third.
    """
    blueprints = [deepened(task, part.depth) for part in PARTS]
    stages = [ProgressiveSearch(task, blueprints, number) for number in range(len(PARTS))]
    return [Timing(stages[0]), *stages]


class ProgressiveSearch:
    """One of the three searches, each of one of `blueprints`. Its options follow from what those before it
    logged.
    """

    def __init__(self, task: Task, blueprints: Sequence[Blueprint], number: int) -> None:
        self.name = PARTS[number].name
        self._task = task
        self._blueprints = blueprints
        self._number = number
        # what can't be searched is refused before anything is spent
        self.settings = self._search(number, blueprints[number]).settings

    def _search(self, number: int, blueprint: Blueprint) -> GradientSearch:
        part = PARTS[number]
        return GradientSearch(
            replace(self._task, blueprint=blueprint, seed=seed_for(self._task.seed, part.name)),
            Softmax(),
            FirstOrder(),
            settings=SETTINGS.changed({"skip_dropout": part.skip_dropout}),
            name=part.name,
            concludes=False,
        )

    def pace(self, progress: Progress) -> Pace:
        """How far the budget goes in all three; of the later ones random options are timed."""
        space = self._task.blueprint.space
        rng = np.random.default_rng(seed_for(self._task.seed, "pace"))
        options = {d.name: d.options for d in space.decisions.values() if not d.many}
        rows = {name: rng.random(len(all_)).tolist() for name, all_ in options.items()}
        searches = [
            self._search(number, blueprint.restrict(strongest(space, options, rows, part.share)))
            for number, (part, blueprint) in enumerate(zip(PARTS, self._blueprints, strict=True))
        ]
        return pace_of(searches, self._task.budget, progress, most_epochs=MOST_EPOCHS)

    def run(self, run: Run, progress: Progress) -> Json:
        """The options that were left and what came of them; of the last stage also an architecture with few
        skip connections, and the curve of all three.
        """
        before = [run.stages()[part.name].payload for part in PARTS[: self._number]]
        options = self._options(before)
        blueprint = self._blueprints[self._number].restrict(options)
        search = self._search(self._number, blueprint)
        found = search.run(run, progress)
        found["options"] = {name: list(left) for name, left in options.items()}
        if self._number + 1 == len(PARTS):
            rows = found["curve"][-1]["probabilities"]
            arch = with_few_skips(blueprint.space, rows, MOST_SKIPS)
            found["architecture"] = json.loads(arch.to_json())
            found["curve"] = joined(self._task.blueprint.space, [*before, found])
            found["epoch"] = len(found["curve"])
            found |= conclude(self._task, search.trained(run), arch, run, progress, stage=self.name)
        return found

    def _options(self, before: Sequence[Json]) -> Options:
        space = self._task.blueprint.space
        if not before:
            return {decision.name: decision.options for decision in space.decisions.values()}
        last = before[-1]
        rows = last["curve"][-1]["probabilities"]
        return strongest(space, last["options"], rows, PARTS[self._number].share)


def deepened(task: Task, depth: int) -> Blueprint:
    """The searched space in networks `depth` times as deep.

    n cells become depth·(n + 1) − 1, which makes the authors' 11 and 17 of 5. A space without a size called
    `cells`, and one whose decisions depend on it, keeps its depth.
    """
    if task.resized is None or "cells" not in task.sizes:
        return task.blueprint
    deep = task.resized({**task.sizes, "cells": depth * (task.sizes["cells"] + 1) - 1})
    same = deep.space.to_dict() == task.blueprint.space.to_dict()
    return deep if same else task.blueprint


def strongest(
    space: SearchSpace, options: Options, rows: Probabilities, share: float
) -> dict[str, list[Option]]:
    """Of each decision with a row, the `share` of all its options in `space` that are most probable, rounded
    up, but two at least; `rows` has one value for each of the `options` that are still there.
    """
    kept = {}
    for name, row in rows.items():
        number = max(math.ceil(share * len(space.decisions[name].options)), 2)
        best = sorted(range(len(row)), key=lambda i: -row[i])[:number]
        kept[name] = [options[name][i] for i in sorted(best)]
    return kept


def with_few_skips(space: SearchSpace, rows: Probabilities, most: int) -> Architecture:
    """What `rows` point to with at most `most` skip connections in each cell that keeps the image's size.

    While there are more, the weakest one's probability becomes zero, and the cells are derived again.
    """
    changed = {name: list(row) for name, row in rows.items()}
    while True:
        arch = discretize(space, changed)
        found: list[tuple[float, str, int]] = []
        for graph in cell_graphs(arch, space):
            skips = [n for n, value in arch.items() if graph.shows(n) and value in graph.identity]
            if graph.keeps_size and len(skips) > most:
                places = ((n, space.decisions[n].options.index(arch[n])) for n in skips)
                found += [(changed[n][i], n, i) for n, i in places if changed[n][i] > 0]
        if not found:
            return arch
        _, name, i = min(found)
        changed[name][i] = 0.0


def joined(space: SearchSpace, stages: Sequence[Json]) -> list[Json]:
    """The epochs of all stages in a row; options that were left out have probability zero."""
    curve: list[Json] = []
    for found in stages:
        for epoch in found["curve"]:
            rows = {}
            for name, row in epoch["probabilities"].items():
                known = dict(zip(found["options"][name], row, strict=True))
                rows[name] = [known.get(option, 0.0) for option in space.decisions[name].options]
            curve.append({**epoch, "epoch": len(curve) + 1, "probabilities": rows})
    return curve
