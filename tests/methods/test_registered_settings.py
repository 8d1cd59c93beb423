"""What a method says of its settings is what its stages use."""

import pytest

from methods.tiny_task import task_of
from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, SEARCHABLE
from nasturtium.spaces.base import SPACES


def stages_of(name: str, **searching: object):
    try:
        return METHODS.get(name)(task_of("nasbench201", {"channels": 4, "cells": 1}, **searching))
    except UsageError:
        sizes = dict(SPACES.get("once-for-all").small)
        return METHODS.get(name)(task_of("once-for-all", sizes, "20 epochs", **searching))


WITH_BATCHES = [
    name
    for name in METHODS.names()
    if METHODS.info(name).settings is not None and "training" not in METHODS.info(name).abilities
]


@pytest.mark.parametrize("name", WITH_BATCHES)
def test_the_registered_settings_are_those_of_the_search(name: str) -> None:
    used = next(stage.settings for stage in stages_of(name) if hasattr(stage, "settings"))
    assert used == METHODS.info(name).settings.changed({"batch_size": 16})


def test_a_method_without_settings_has_none() -> None:
    for name in METHODS.names():
        if METHODS.info(name).settings is None:
            with pytest.raises(UsageError, match="no search settings, got batch_size"):
                stages_of(name)


def test_what_each_can_search_has_words() -> None:
    for name in METHODS.names():
        assert len(METHODS.info(name).abilities & SEARCHABLE.keys()) == 1


def test_a_trained_controller_proposes_unless_a_strategy_is_named() -> None:
    assert type(stages_of("enas")[-1]).__name__ == "ControllerSearch"
    assert type(stages_of("enas", strategy="random")[-1]).__name__ == "PathSearch"
    with pytest.raises(UsageError, match="did you mean 'random'"):
        stages_of("enas", strategy="rndom")
