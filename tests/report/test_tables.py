import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest

from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.report.tables import count, duration, pretty_json, safe_cell, trials_csv
from nasturtium.space.architecture import Architecture
from nasturtium.study.events import TrialRecord


def test_csv_gives_back_every_trial(topology_space):
    arch = topology_space.sample(np.random.default_rng(0))
    cost = Cost(1.5, 2, 3, 4, 5.0, 6)
    good = TrialRecord(
        "search", 0, "", arch, Fidelity(5), "ok", (), Measurement({"valid_accuracy": -0.25}, cost)
    )
    bad = TrialRecord("search", 1, '=HYPERLINK("x")', None, status="failed", error='said "no",\nthen left')
    first, second = csv.DictReader(io.StringIO(trials_csv([good, bad])))
    assert Architecture.from_json(first["architecture"]) == arch
    assert float(first["metric valid_accuracy"]) == -0.25
    assert Cost(*(float(first[f"cost {name}"]) for name in cost.to_dict())) == cost
    assert (first["number"], first["epochs"], first["status"]) == ("0", "5", "ok")
    assert second["error"] == 'said "no",\nthen left'
    assert second["label"] == '\'=HYPERLINK("x")'
    assert (second["architecture"], second["metric valid_accuracy"]) == ("", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "\n=1"])
def test_formulas_are_defused(text):
    assert safe_cell(text) == "'" + text


def test_names_of_metrics_are_defused_too():
    trial = TrialRecord("search", 0, measurement=Measurement({"=boom": 1.0}))
    head = trials_csv([replace(trial, status="ok")]).splitlines()[0]
    assert "metric =boom" in head
    assert ",=" not in head


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (15625, "15,625"),
        (10**15 - 1, "999,999,999,999,999"),
        (1_037_664_180**2, "1.08 · 10¹⁸"),
        (9_996 * 10**500, "1.00 · 10⁵⁰⁴"),
        (math.inf, "unbounded"),
    ],
)
def test_counts(number, words):
    assert count(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_never_show_sixty(seconds, words):
    assert duration(seconds) == words


def test_pretty_json_is_the_same_architecture(darts_space):
    arch = darts_space.sample(np.random.default_rng(2))
    text = pretty_json(arch.to_json())
    assert Architecture.from_json(text) == arch
    assert text.count("\n") == len(arch) + 2
