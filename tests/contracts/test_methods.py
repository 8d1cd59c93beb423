"""What every method must do: search digits, survive kills, and search or refuse any kind of space."""

from dataclasses import replace

import pytest
from choice_kinds import KINDS, a_task, images, network, search

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, SEARCHABLE, Task, stages_of
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.study.progress import Silent
from nasturtium.training.data.base import Parts
from nasturtium.training.data.digits import Digits

IMAGE_SPACES = [name for name in SPACES.names() if SPACES.get(name).trainable]
CELLS = ("nasbench201", {"channels": 4, "cells": 1})
INSTEAD = "Methods to try instead: "
SIZES = ("natsbench-size", dict(SPACES.get("natsbench-size").small))


class FewDigits(Digits):
    """The first hundred, each pixel `scale` × `scale` times."""

    def __init__(self, scale: int = 1) -> None:
        self._scale = scale

    def _read(self) -> Parts:
        few = super()._read().train.subset(range(100))
        images = few.images.repeat_interleave(self._scale, dim=2).repeat_interleave(self._scale, dim=3)
        return Parts(replace(few, images=images))


class Killed(Exception):
    pass


class KilledAtAllThatIsNew(Silent):
    """Is killed whenever something is said or done that was not before."""

    def __init__(self) -> None:
        self.seen: set[object] = set()
        self._stage = ""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Once for each stage."""
        self._stage = stage
        self._meets(stage)

    def advance(self, done: int, **figures: float | str) -> None:
        """Once for each unit of a stage."""
        self._meets((self._stage, done))

    def say(self, text: str) -> None:
        """Once for each sentence."""
        self._meets(text)

    def _meets(self, event: object) -> None:
        if event not in self.seen:
            self.seen.add(event)
            raise Killed


def searchable(method: str) -> Task:
    """A search of digits, in cells if the method can, else in a space of sizes."""
    for space, sizes in (CELLS, SIZES):
        task = a_task(method, space, data=FewDigits(), sizes=sizes)
        if reason(method, task) is None:
            return task
    raise AssertionError(f"{method} searches neither")


def reason(method, task) -> str | None:
    """Why a method refuses a task before anything is run."""
    try:
        stages_of(method, task)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_searches_digits_and_finds_the_same_however_often_it_is_killed(method, tmp_path):
    task = searchable(method)
    found = search(method, task, tmp_path / "whole")
    death, kills = KilledAtAllThatIsNew(), 0
    while True:
        try:
            again = search(method, task, tmp_path / "killed", death)
        except Killed:
            kills += 1
        else:
            break
    assert again == found
    assert kills >= 3


def test_every_method_says_what_it_is():
    for name in METHODS.names():
        info = METHODS.info(name)
        assert info.summary
        assert info.paper.startswith("https://")
        assert len(info.abilities & SEARCHABLE.keys()) == 1
        assert info.abilities <= {*SEARCHABLE, "limits"}


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_refused_is_told_who_is_not(kind):
    reasons = {m: reason(m, a_task(m, network(kind), data=images())) for m in METHODS.names()}
    for why in filter(None, reasons.values()):
        named = why.split(INSTEAD)[1].split(", ")
        assert all(reasons[name] is None for name in named)


@pytest.mark.parametrize("method", METHODS.names())
def test_what_has_no_shared_weights_is_refused_unless_each_network_is_trained(method):
    grid = {"search_settings": {"learning_rate": [0.1, 0.2]}}
    for space, options in (("network-morphism", {}), (network("`OneOf`"), grid)):
        why = reason(method, a_task(method, space, data=images(), **options))
        trains = "training" in METHODS.info(method).abilities
        assert why is None if trains else why.endswith("random")


WRONG = {  # by what a method is able to do; None: any of them
    "an unknown name": ({"batchsize": 8}, None, "batchsize"),
    "out of range": ({"batch_size": 0}, None, "batch_size"),
    "no number": ({"learning_rate": "fast"}, None, "learning_rate"),
    "of mixtures": ({"alpha_weight_decay": 0.1}, {"limits", "training"}, "alpha_weight_decay"),
    "of paths": ({"training_share": 0.5}, {"mixture", "training"}, "training_share"),
    "an unknown strategy": ({"strategy": "evolving"}, {"limits"}, "strategy"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("method", METHODS.names())
def test_wrong_search_settings_are_refused_by_name(method, wrong):
    searching, abilities, name = WRONG[wrong]
    task = a_task(method, network("`Repeat` (depth)"), data=images(), searching=searching)
    if abilities is None or abilities & METHODS.info(method).abilities:
        assert name in (reason(method, task) or "it was not refused")


@pytest.mark.slow
@pytest.mark.parametrize("space", IMAGE_SPACES)
@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_searches_every_space_or_says_why_not(method, space, tmp_path):
    try:
        search(method, a_task(method, space, data=fitting(space), sizes=SPACES.get(space).small), tmp_path)
        why = None
    except UsageError as error:
        why = str(error)
    assert why is None or INSTEAD in why or why.endswith("such as random")


def fitting(space: str) -> FewDigits:
    """Digits as small as the space's networks can take."""
    for scale in (1, 2):
        side = 8 * scale
        try:
            make_space(space, (1, side, side), 10, SPACES.get(space).small)
        except UsageError:
            continue
        return FewDigits(scale)
    return FewDigits(4)
