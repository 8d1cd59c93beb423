"""How two sets of settings differ, in words."""

import json
from collections.abc import Iterator

MOST = 12  # lines; the rest is counted
ABSENT = "(not given)"


def differences(stored: object, now: object, *, within: str = "") -> list[str]:
    """One line `option: stored → now` per setting that differs; both are compared as JSON.

    >>> differences({"lr": 0.1}, {"lr": 0.2}, within="training")
    ['training.lr: 0.1 → 0.2']
    """
    old, new = (dict(_leaves(within, json.loads(json.dumps(values)))) for values in (stored, now))
    lines = [
        f"{name}: {_short(old.get(name, ABSENT))} → {_short(new.get(name, ABSENT))}"
        for name in {**old, **new}
        if old.get(name, ABSENT) != new.get(name, ABSENT)
    ]
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], f"and {more} more"]


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Every setting inside `value` by its dotted name, as JSON text."""
    if isinstance(value, dict) and (value or not name):
        children = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list) and any(isinstance(child, dict | list) for child in value):
        children = [(str(i), child) for i, child in enumerate(value)]
    else:
        yield name, json.dumps(value)
        return
    for key, child in children:
        yield from _leaves(f"{name}.{key}" if name else key, child)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
