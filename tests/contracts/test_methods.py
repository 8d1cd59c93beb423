"""What every method must do: search digits, survive kills, and search or refuse any kind of space."""

from pathlib import Path

import pytest
from choice_kinds import search

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, SEARCHABLE
from nasturtium.spaces.base import SPACES
from nasturtium.study.progress import Silent
from nasturtium.training.data.digits import Digits

IMAGE_SPACES = [name for name in SPACES.names() if SPACES.get(name).trainable]
CELLS = ("nasbench201", {"channels": 2, "cells": 1})
SIZES = ("once-for-all", dict(SPACES.get("once-for-all").small))


class Killed(Exception):
    pass


class KilledAt(Silent):
    """Is killed when something is done for the n-th time."""

    def __init__(self, n: int) -> None:
        self.left = n

    def advance(self, done: int, **figures: float | str) -> None:
        """Counts."""
        self.left -= 1
        if self.left == 0:
            raise Killed


def searched(method: str, folder: Path, **options):
    """What is found on digits, in cells if the method can, else in a space of sizes."""
    try:
        space, sizes = CELLS
        return search(method, space, folder, data=Digits(), sizes=sizes, **options)
    except UsageError:
        space, sizes = SIZES
        return search(method, space, folder, data=Digits(), sizes=sizes, **options)


@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_searches_digits_and_a_killed_search_finds_the_same(method, tmp_path):
    found = searched(method, tmp_path / "whole")
    for n in (1, 1):
        with pytest.raises(Killed):
            searched(method, tmp_path / "killed", progress=KilledAt(n))
    assert searched(method, tmp_path / "killed") == found


def test_every_method_says_what_it_is():
    for name in METHODS.names():
        info = METHODS.info(name)
        assert info.summary
        assert info.paper.startswith("https://")
        assert len(info.abilities & SEARCHABLE.keys()) == 1
        assert info.abilities <= {*SEARCHABLE, "limits"}


@pytest.mark.slow
@pytest.mark.parametrize("space", IMAGE_SPACES)
@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_searches_every_space_or_says_why_not(method, space, tmp_path):
    refused = None
    try:
        search(method, space, tmp_path, data=Digits(), sizes=dict(SPACES.get(space).small))
    except UsageError as error:
        refused = str(error)
    assert refused is None or "Methods to try instead: " in refused
