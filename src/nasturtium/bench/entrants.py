"""Who takes part in a comparison: registered strategies by name, perhaps with options."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from nasturtium.bench.compare import Make
from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.strategies.base import STRATEGIES


def entrants(texts: Iterable[str]) -> dict[str, Make]:
    """Strategies by what a person calls them: `evolution`, or `evolution:population=100:sample=25`.

    Raises `UsageError` for an unknown strategy or option, a value of another kind, and for one listed twice.
    """
    found: dict[str, Make] = {}
    for text in texts:
        if text in found:
            raise UsageError(f"strategy {text!r} is listed twice")
        found[text] = _entrant(text)
    return found


def _entrant(text: str) -> Make:
    name, *pairs = text.split(":")
    strategy: type[Strategy] = STRATEGIES.get(name)
    options = _options(name, strategy, pairs)

    def make(problem: Problem, seed: int) -> Strategy:
        return strategy(problem, seed=seed, **options)

    return make


def _options(name: str, strategy: type[Strategy], pairs: Iterable[str]) -> Mapping[str, Any]:
    """What `option=value` say."""
    parameters = inspect.signature(strategy).parameters
    known = parameters.keys() - {"problem", "seed"}
    options = {}
    for pair in pairs:
        option, equals, text = pair.partition("=")
        option = option.replace("-", "_")
        if not equals:
            raise UsageError(f"strategy {name!r} takes options as name:option=value, got {pair!r}")
        if option not in known:
            raise UsageError(f"strategy {name!r} has no option {option!r}: {did_you_mean(option, known)}")
        options[option] = _read(f"{name}:{option}", text, parameters[option].default)
    return options


def _read(option: str, text: str, default: object) -> object:
    """A value of the kind that the default has."""
    if isinstance(default, bool) and text in ("true", "false"):
        return text == "true"
    if isinstance(default, int | float | str) and not isinstance(default, bool):
        try:
            return type(default)(text)
        except ValueError:
            pass
    raise UsageError(f"option {option} is {default!r} by default; {text!r} is no {type(default).__name__}")
