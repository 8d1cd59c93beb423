"""What `nasturtium spaces` shows: the list of all spaces, one space in detail, pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.report.gallery import Exhibit, exhibit, write_gallery
from nasturtium.report.tables import count
from nasturtium.space.conditions import ALWAYS
from nasturtium.space.search_space import spell
from nasturtium.spaces.base import SPACES, Space, published


def list_spaces(out: Console) -> None:
    """One row for each space; what can't be made here says why."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("space", no_wrap=True)
    table.add_column("architectures", no_wrap=True, justify="right")
    table.add_column("decisions", no_wrap=True, justify="right")
    table.add_column("what", overflow="fold")
    with out.status("reading the spaces off their networks"):
        for name in SPACES.names():
            table.add_row(*_row(name))
    out.print(table)
    out.print(
        "`nasturtium spaces NAME` lists the decisions of one; --draw DIR draws them.\n"
        "`nasturtium search` trains image classifiers; use spaces with other [inputs → scores] from Python.",
        highlight=False,
        markup=False,
    )


def _row(name: str) -> tuple[str, str, str, str]:
    """Name, size, number of decisions, and what the space is."""
    info, entry = SPACES.info(name), SPACES.get(name)
    size, decisions, trouble = "", "", ""
    try:
        space = published(name).space
        size, decisions = count(space.size()), f"{len(space.decisions):,}" if space.decisions else "any"
    except UsageError as error:
        trouble = f"\n{escape(str(error))}"
    kind = "" if entry.trainable else f" [{entry.takes} → {entry.gives}]"
    paper = info.paper.replace("https://arxiv.org/abs/", "arXiv:")
    return name, size, decisions, f"{escape(info.summary + kind)}{trouble}\n[dim]{escape(paper)}[/dim]"


def describe(name: str, out: Console) -> None:
    """The decisions of a space with their options, and the sizes that its networks have."""
    info, entry, blueprint = SPACES.info(name), SPACES.get(name), published(name)
    space = blueprint.space
    out.print(f"[bold]{name}[/bold]: {info.summary}", highlight=False)
    out.print(info.paper, highlight=False)
    shape = "×".join(map(str, entry.shape))
    out.print(f"takes {entry.takes} ({shape}), scores {entry.gives} ({entry.classes})", highlight=False)
    sizes = ", ".join(f"{size}={default}" for size, default in entry.sizes.items())
    out.print(f"network sizes: {sizes or 'none'}", highlight=False)
    out.print(f"searched by {_methods(entry, blueprint)}", highlight=False)
    out.print(f"{count(space.size())} architectures", highlight=False)
    for point, arch in blueprint.points.items():
        with torch.device("meta"):
            parameters = count_parameters(blueprint.build(arch, seed=0))
        out.print(f"  {point}: {parameters:,} parameters at these sizes", highlight=False)
    if not space.decisions:
        out.print("any number of decisions, for example:", highlight=False)
        out.print(space.sample(np.random.default_rng(0)), highlight=False, markup=False)
        return
    table = Table("decision", "options", "only if")
    for decision_name, decision in space.decisions.items():
        options = ", ".join(map(str, decision.options))
        if decision.many:
            options = f"{decision.k} of {options}"
        condition = space.conditions[decision_name]
        table.add_row(decision_name, options, "" if condition == ALWAYS else spell(condition))
    out.print(table)


def _methods(entry: Space, blueprint: Blueprint) -> str:
    if not entry.trainable:
        return "no command, as it scores no images; use it from Python by nasturtium.make_space"
    if blueprint.space.unbounded:
        return "methods that train each architecture, such as random; its networks can't share weights"
    if not blueprint.mixes:
        return "methods of single paths, such as spos, and of trainings, such as random; it can't be mixed"
    return "methods of every kind"


def draw(names: Sequence[str], folder: Path, seed: int) -> Path:
    """Draw one architecture of each space, sampled with `seed`; returns the path of a page of them all.

    Raises `StorageError` if the folder can't be written.
    """
    return write_gallery(tuple(_exhibits(names, seed)), folder)


def _exhibits(names: Sequence[str], seed: int) -> Iterator[Exhibit]:
    for name in names:
        blueprint = published(name)
        arch = blueprint.space.sample(np.random.default_rng(seed))
        notation = None if blueprint.notation is None else blueprint.notation(arch)
        yield exhibit(SPACES.info(name), blueprint.space, arch, notation)
