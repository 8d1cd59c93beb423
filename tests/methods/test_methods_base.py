"""How a method refuses what it can't search."""

import pytest
from choice_kinds import network
from tiny_task import task_of
from torch import nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.methods.base import METHODS, refused, stages_of
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf

CHOICE = Blueprint(lambda: OneOf("act", {"relu": nn.ReLU, "gelu": nn.GELU}))
SIZES = {"channels": 2, "cells": 1}


def named(error: CannotSearch) -> list[str]:
    return str(error).split("Methods to try instead: ")[1].split(", ")


@pytest.mark.parametrize("abilities", [{"mixture"}, {"training"}, {"path", "training"}, {"limits"}])
def test_an_error_names_all_other_methods_with_an_ability(abilities: set[str]) -> None:
    error = refused("darts", "this is why", abilities)
    able = {name for name in METHODS.names() if METHODS.info(name).abilities & abilities}
    assert named(error) == sorted(able - {"darts"})
    assert str(error).startswith("this is why. Methods to try instead: ")


def test_a_method_that_refuses_a_space_is_not_among_those_to_try() -> None:
    with pytest.raises(CannotSearch, match="nothing can shrink here") as caught:
        stages_of("ofa", task_of(CHOICE, {}))
    assert {"spos", "random"} <= set(named(caught.value))
    assert not {"ofa", "darts"} & set(named(caught.value))


def test_methods_that_would_refuse_the_space_too_are_not_among_those_to_try() -> None:
    with pytest.raises(CannotSearch, match="which chooses 2 of 3") as caught:
        stages_of("darts", task_of(network("`InputChoice`, k of n"), {}))
    assert {"spos", "random"} <= set(named(caught.value))
    assert not {"ofa", "few-shot"} & set(named(caught.value))


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(UsageError, match="zero_ones': did you mean 'zero_one'") as caught:
        stages_of("darts", task_of("nasbench201", SIZES, zero_ones=1))
    assert not isinstance(caught.value, CannotSearch)
    assert [stage.name for stage in stages_of("darts", task_of("nasbench201", SIZES))] == ["pace", "search"]
