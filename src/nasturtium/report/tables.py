"""Tables of a report: trials as a CSV file, and figures as people read them."""

import csv
import io
import json
import math
from collections.abc import Sequence
from decimal import Decimal

from nasturtium.space.decision import Value
from nasturtium.study.events import TrialRecord

COLUMNS = ("stage", "number", "label", "status", "epochs", "architecture", "error", "started", "finished")
COSTS = ("seconds", "forward", "backward", "samples", "epochs", "queries")
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def trials_csv(trials: Sequence[TrialRecord]) -> str:
    """One row per trial: what it was, its final metrics (`metric …`) and what it cost (`cost …`).

    The architecture is JSON. Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    metrics = sorted({name for trial in trials for name in trial.measurement.metrics})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = (*COLUMNS, *(f"metric {name}" for name in metrics), *(f"cost {name}" for name in COSTS))
    writer.writerow(map(safe_cell, head))
    for trial in trials:
        writer.writerow(map(safe_cell, _row(trial, metrics)))
    return buffer.getvalue()


def _row(trial: TrialRecord, metrics: Sequence[str]) -> list[object]:
    costs = trial.measurement.cost.to_dict()
    return [
        trial.stage,
        trial.number,
        trial.label,
        trial.status,
        None if trial.fidelity is None else trial.fidelity.epochs,
        None if trial.arch is None else trial.arch.to_json(),
        trial.error,
        trial.started,
        trial.finished,
        *(trial.measurement.metrics.get(name) for name in metrics),
        *(costs[name] for name in COSTS),
    ]


def safe_cell(value: object) -> object:
    """`value` as a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return "'" + value
    return "" if value is None else value


def percent(share: float) -> str:
    """0.9342 as `93.42 %`."""
    return f"{100 * share:.2f} %"


def count(number: float) -> str:
    """A whole number with commas; from 10¹⁵ on three of its digits and a power of ten; or `unbounded`."""
    if number == math.inf:
        return "unbounded"
    whole = int(number)
    if whole < 10**15:
        return f"{whole:,}"
    mantissa, exponent = f"{Decimal(whole):.2e}".split("e+")
    return f"{mantissa} · 10{exponent.translate(SUPERSCRIPT)}"


def duration(seconds: float) -> str:
    """Seconds as `3.2 s`, `4 min 10 s` or `2 h 5 min`."""
    if seconds < 59.95:  # which would be shown as 60.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def value_text(value: Value) -> str:
    """A decision's value in a table."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def pretty_json(text: str) -> str:
    """The JSON object `text` with one entry per line, lists on one line."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in json.loads(text).items()]
    return "\n".join(["{", ",\n".join(lines), "}", ""])
