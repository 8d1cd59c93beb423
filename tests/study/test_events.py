import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.core.errors import StorageError
from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.study.events import (
    Asked,
    Epoch,
    Note,
    Spent,
    StageFinished,
    Told,
    TrialRecord,
    decode,
    encode,
)
from nasturtium.study.ledger import Ledger

number = st.floats(allow_nan=False)
count = st.integers(0, 2**60)
options = st.text(max_size=5) | st.integers() | number
archs = st.dictionaries(
    st.text(max_size=5), options | st.lists(options, max_size=3).map(tuple), max_size=4
).map(Architecture)
costs = st.builds(Cost, number, count, count, count, number, count)
figures = st.dictionaries(st.text(max_size=5), number, max_size=3)
fidelities = st.none() | st.builds(Fidelity, st.integers(0, 1000))
measurements = st.builds(Measurement, figures, costs, st.lists(figures, max_size=3).map(tuple))
trials = st.builds(
    TrialRecord,
    stage=st.text(max_size=5),
    number=count,
    label=st.text(max_size=5),
    arch=st.none() | archs,
    fidelity=fidelities,
    status=st.sampled_from(["ok", "failed", "infeasible", "stopped"]),
    losses=st.lists(number, max_size=2).map(tuple),
    measurement=measurements,
    error=st.none() | st.text(max_size=5),
)
events = st.one_of(
    st.builds(
        Asked,
        st.text(max_size=5),
        count,
        count,
        st.lists(st.builds(Proposal, archs, fidelities, st.none() | count), max_size=3).map(tuple),
        number,
    ),
    trials.map(lambda trial: Told(trial.stage, trial)),
    st.builds(Epoch, st.text(max_size=5), figures, costs),
    st.builds(Spent, st.text(max_size=5), costs),
    st.builds(
        StageFinished, st.text(max_size=5), st.dictionaries(st.text(max_size=5), options, max_size=3), costs
    ),
    st.builds(Note, st.text(max_size=20)),
)


@given(events)
def test_every_event_survives_json(event):
    kind, payload = encode(event)
    assert decode(kind, json.loads(json.dumps(payload))) == event


def test_a_log_from_before_there_were_parents_is_read():
    arch = Architecture({"a": 1})
    kind, payload = encode(Asked("search", 1, 0, (Proposal(arch, Fidelity(3)),), 0.5))
    del payload["proposals"][0]["parent"]
    assert decode(kind, payload).proposals == (Proposal(arch, Fidelity(3), None),)


def test_an_event_of_a_later_version_is_refused():
    with pytest.raises(StorageError, match=r"unknown kind 'snapshot'.*upgrade"):
        decode("snapshot", {})


def test_the_ledger_adds_up_each_stage_and_all():
    def told(stage, **cost):
        return Told(stage, TrialRecord(stage, 0, status="ok", measurement=Measurement({}, Cost(**cost))))

    log = [
        Epoch("supernet", {"epoch": 1}, Cost(seconds=2, backward=10)),
        Note("hello"),
        StageFinished("supernet", {}, Cost(seconds=1)),
        Asked("search", 1, 0, (), seconds=0.5),
        told("search", seconds=4, epochs=1),
        told("search", seconds=8, epochs=2),
        Spent("search", Cost(queries=7)),
    ]
    supernet, search, total = Ledger.of(log).rows()
    assert (supernet["stage"], supernet["trials"], supernet["seconds"], supernet["backward"]) == (
        "supernet",
        0,
        3,
        10,
    )
    assert (search["trials"], search["seconds"], search["epochs"], search["queries"]) == (2, 12.5, 3, 7)
    assert (total["stage"], total["trials"], total["seconds"], total["queries"]) == ("total", 2, 15.5, 7)
