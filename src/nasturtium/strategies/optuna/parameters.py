"""The decisions of a space as parameters of an Optuna trial, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import active, in_order
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import refuse_endless
from nasturtium.strategies.optuna.needed import optuna_module

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

Parameter = str | int | float
MOST_CHOICES = 1000  # values of a k-of-n decision, each of which is a category


class Parameters:
    """How the decisions of `space` are parameters of the same names.

    - A decision is suggested once it is active, after those that its condition reads, so a trial has no
      parameters for decisions that are switched off, as in any Optuna objective with branches.
    - An ordered decision is an integer, the position of its option from 0; any other is categorical.
    - A k-of-n decision is one categorical parameter whose choices are its values as JSON, such as `[0, 2]`.

    What no condition but a constraint forbids can be suggested: `space.why_not` tells. `distributions` are
    Optuna's, by name. Raises `UsageError` for a space without a list of decisions, and for a k-of-n decision
    with more than 1,000 values.
    """

    def __init__(self, space: SearchSpace) -> None:
        refuse_endless("Optuna", space)
        self.space = space
        self._order = in_order(space.conditions)
        self._values = {name: _written(decision) for name, decision in space.decisions.items()}
        self.distributions: dict[str, BaseDistribution] = {
            name: _distribution(space.decisions[name], tuple(self._values[name])) for name in self._order
        }

    def suggest(self, trial: BaseTrial) -> Architecture:
        """The architecture that `trial` suggests."""
        return self._walk(lambda name: self._suggested(trial, name))

    def architecture(self, parameters: Mapping[str, Parameter]) -> Architecture:
        """The architecture of a trial's parameters, such as `study.best_params`; others are left out.

        Raises `UsageError` if one is missing or of another space.
        """

        def read(name: str) -> Parameter:
            if name not in parameters:
                raise UsageError(
                    f"parameter {name!r} is missing; an objective calls Parameters.suggest(trial)"
                )
            if parameters[name] not in self._values[name]:
                raise UsageError(f"parameter {name!r} can't be {parameters[name]!r} in this space")
            return parameters[name]

        return self._walk(read)

    def of(self, arch: Architecture) -> dict[str, Parameter]:
        """The parameters of an architecture."""
        back = {name: {value: p for p, value in self._values[name].items()} for name in arch}
        return {name: back[name][value] for name, value in arch.items()}

    def _walk(self, parameter: Callable[[str], Parameter]) -> Architecture:
        values: dict[str, Value] = {}
        for name in self._order:
            if active(self.space.conditions[name], values):
                values[name] = self._values[name][parameter(name)]
        return Architecture({name: values[name] for name in self.space.decisions if name in values})

    def _suggested(self, trial: BaseTrial, name: str) -> Parameter:
        values = self._values[name]
        if _is_position(self.space.decisions[name]):
            return trial.suggest_int(name, 0, len(values) - 1)
        return cast("Parameter", trial.suggest_categorical(name, tuple(values)))


def _is_position(decision: Decision) -> bool:
    return decision.ordered and not decision.many


def _written(decision: Decision) -> dict[Parameter, Value]:
    """The values of a decision by what Optuna calls them."""
    if decision.many and decision.count() > MOST_CHOICES:
        raise UsageError(
            f"decision {decision.name!r} has {decision.count():,} values ({decision.k} of"
            f" {len(decision.options)} options); as one parameter of Optuna it can have {MOST_CHOICES:,}"
        )
    if decision.many:
        return {json.dumps(value): value for value in decision.values()}
    return dict(enumerate(decision.values())) if decision.ordered else {o: o for o in decision.options}


def _distribution(decision: Decision, parameters: tuple[Parameter, ...]) -> BaseDistribution:
    kinds = optuna_module().distributions
    made: BaseDistribution
    if _is_position(decision):
        made = kinds.IntDistribution(0, len(parameters) - 1)
    else:
        made = kinds.CategoricalDistribution(parameters)
    return made
