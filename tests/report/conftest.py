import math

import numpy as np
import pytest

from nasturtium.core.registry import Info
from nasturtium.problem.records import Cost, Fidelity, Measurement, SearchEpoch
from nasturtium.report.data import DataFacts, Judged, ReportData, Verdict
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.events import TrialRecord
from nasturtium.study.ledger import Entry, Ledger

DARTS_OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
TOPOLOGY_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.fixture(scope="session")
def darts_space():
    """Two cells of four nodes with two of the earlier states each."""
    decisions, conditions = [], {}
    for cell in ("normal", "reduce"):
        for node in range(2, 6):
            decisions.append(Decision(f"{cell}/{node}/inputs", tuple(range(node)), k=2, many=True))
            for source in range(node):
                name = f"{cell}/{node}<-{source}"
                decisions.append(Decision(name, DARTS_OPS))
                when = When(f"{cell}/{node}/inputs", frozenset([source]))
                conditions[name] = frozenset([frozenset([when])])
    return SearchSpace(decisions, conditions)


@pytest.fixture(scope="session")
def topology_space():
    """One cell of three nodes with all edges."""
    return SearchSpace([Decision(f"cell/{n}<-{s}", TOPOLOGY_OPS) for n in (1, 2, 3) for s in range(n)])


def search_curve(space, epochs):
    rng = np.random.default_rng(5)
    names = [d.name for d in space.decisions.values() if not d.many]
    rows = {name: rng.dirichlet(np.ones(len(space.decisions[name].options) + 1)) for name in names}
    return tuple(
        SearchEpoch(e, 2 / e, 1 - 0.5 / e, 2.1 / e, 1 - 0.6 / e, {n: tuple(p[:-1]) for n, p in rows.items()})
        for e in range(1, epochs + 1)
    )


def trial(stage, number, label, arch, metrics, epochs=3):
    curve = tuple(
        {"epoch": e, "train_loss": 2 / e, "train_accuracy": 1 - math.exp(-e)} for e in range(1, epochs + 1)
    )
    measured = Measurement(metrics, Cost(1.5, 30, 20, 640, epochs), curve)
    return TrialRecord(stage, number, label, arch, Fidelity(epochs), "ok", (), measured)


def contenders(space, rng):
    """The final trainings of a run and the verdict on them."""
    archs = [space.sample(rng) for _ in range(4)]
    labels = ["found by the search", "random 1", "random 2", "random 3", "residual CNN"]
    trials = tuple(
        trial("retrain", i, label, arch, {"train_loss": 0.1, "parameters": 50_000.0})
        for i, (label, arch) in enumerate(zip(labels, [*archs, None], strict=True))
    )
    found, *random, residual = (
        Judged(label, accuracy, 50_000 + i)
        for i, (label, accuracy) in enumerate(zip(labels, (0.98, 0.95, 0.96, 0.97, 0.94), strict=True))
    )
    sentence = "The search paid off: 98.00 % of the 400 test images, against 96.00 % ± 1.00 for others."
    return archs[0], trials, Verdict(found, tuple(random), residual, 3, 400, True, sentence)


@pytest.fixture
def data(darts_space):
    """A finished gradient search."""
    arch, retrained, verdict = contenders(darts_space, np.random.default_rng(3))
    return ReportData(
        title="run-1",
        command="nasturtium search --data digits --budget 5m",
        state="finished",
        seed=7,
        method=Info("darts", "gradient descent", "https://arxiv.org/abs/1806.09055"),
        space=Info("darts", "two cells", "https://arxiv.org/abs/1806.09055"),
        space_size=1_037_664_180**2,
        data=DataFacts("digits", ("zero", "one"), (1, 8, 8), {"train": 1437, "test": 400}),
        versions={"torch": "2.6.0"},
        machine={"cores": "2", "processor": "x86_64", "system": "Linux"},
        search_space=darts_space,
        ledger=Ledger((Entry("search", 0, Cost(100.0, 10, 10, 640, 3)), Entry("retrain", 5, Cost(50.0)))),
        architecture=arch,
        genotype="Genotype(normal=[…])",
        search_curve=search_curve(darts_space, 3),
        retrained=retrained,
        verdict=verdict,
        cells=cell_graphs(arch, darts_space),
    )
