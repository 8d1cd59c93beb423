"""From the log of a run to what its report tells."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from nasturtium.core.registry import Info
from nasturtium.problem.records import SearchEpoch
from nasturtium.report.data import DataFacts, Judged, ReportData, Verdict
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.events import TrialRecord
from nasturtium.study.log import RunLog


def report_data(log: RunLog, method: Info, space: Info) -> ReportData:
    """What is known of a run, finished or not; `method` and `space` describe what it uses."""
    found = {name: stage.payload for name, stage in log.stages().items()}
    record, facts = log.record, found["facts"]
    size, search = facts["space_size"], found.get("search", {})
    concluded = next((p for p in reversed(found.values()) if "shared_accuracy" in p), {})
    return ReportData(
        title=record.name,
        command=record.command,
        state=record.state,
        seed=record.seed,
        method=method,
        space=space,
        space_size=None if size is None else math.inf if size == "inf" else int(size),
        data=DataFacts(facts["data"], tuple(facts["classes"]), tuple(facts["input_shape"]), facts["splits"]),
        versions=facts["versions"],
        machine=facts["machine"],
        search_space=SearchSpace.from_dict(record.space),
        ledger=log.ledger(),
        architecture=_architecture(found),
        genotype=found.get("found", {}).get("notation"),
        search_curve=tuple(SearchEpoch(**row) for row in search.get("curve", ())),
        searched=tuple(log.trials("search")),
        retrained=tuple(log.trials("retrain")),
        verdict=_verdict(found, log.trials("retrain")),
        error=record.error,
        cells=tuple(map(CellGraph.from_dict, found.get("found", {}).get("cells", ()))),
        remarks=tuple(concluded.get("remarks", ())),
        found_after=search.get("epoch"),
        shared_accuracy=concluded.get("shared_accuracy"),
    )


def _architecture(found: Mapping[str, Any]) -> Architecture | None:
    if "found" not in found:
        return None
    return Architecture.from_json(json.dumps(found["found"]["architecture"]))


def _verdict(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Verdict | None:
    if "verdict" not in found:
        return None
    verdict = found["verdict"]
    first, *random, residual = (Judged(**row) for row in verdict["networks"])
    return Verdict(
        searched=first,
        random=tuple(random),
        residual=residual,
        epochs=trials[0].measurement.cost.epochs,  # true passes; the schedule's epochs may be shorter
        test_images=verdict["test_images"],
        paid_off=verdict["paid_off"],
        sentence=verdict["sentence"],
    )
