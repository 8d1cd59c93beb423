"""What `nasturtium methods` shows: the list of all methods, and one method in detail."""

import inspect

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nasturtium.core.registry import Info
from nasturtium.core.settings import Settings
from nasturtium.methods.base import METHODS, SEARCHABLE

ELSEWHERE = {"epochs": "--budget", "mirror": "--training"}  # settings of a search that other options set


def list_methods(out: Console) -> None:
    """One row for each method, those that search alike together."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("method", no_wrap=True)
    table.add_column("limits", no_wrap=True)
    table.add_column("what", overflow="fold")
    for ability in SEARCHABLE:
        table.add_row("", "", f"[bold]search {SEARCHABLE[ability]}[/bold]")
        for info in filter(lambda info: ability in info.abilities, map(METHODS.info, METHODS.names())):
            paper = info.paper.replace("https://arxiv.org/abs/", "arXiv:")
            limits = "yes" if "limits" in info.abilities else ""
            table.add_row(info.name, limits, f"{escape(info.summary)} [dim]{escape(paper)}[/dim]")
        table.add_section()
    out.print(table)
    out.print("`nasturtium methods NAME` describes one, with its settings.", highlight=False, markup=False)


def describe(name: str, out: Console) -> None:
    """What a method does and can search, which budgets and limits it takes, and its settings."""
    info = METHODS.info(name)
    lines = [
        f"[bold]{name}[/bold]: {escape(info.summary)}",
        escape(info.paper),
        "",
        escape(inspect.getdoc(METHODS.get(name)) or ""),
        "",
        *(f"searches: {escape(words)}" for ability, words in SEARCHABLE.items() if ability in info.abilities),
        f"budget: time for everything (--budget 10m), or {_budget(info)} for the search alone",
        f"limits on the final network (--limit params=300000): {_limits(info)}",
        f"settings: {_how(info.settings)}",
    ]
    out.print("\n".join(lines), highlight=False, soft_wrap=True)
    out.print("" if info.settings is None else _table(info.settings))


def _budget(info: Info) -> str:
    return "'50 trials'" if "training" in info.abilities else "'20 epochs'"


def _limits(info: Info) -> str:
    return "kept" if "limits" in info.abilities else "can't be kept"


def _how(settings: Settings | None) -> str:
    if settings is None:
        return "none; --training says how each architecture is trained"
    return "--searching name=value,name=value with"


def _table(settings: Settings) -> Table:
    table = Table("name", "default", "what it is", box=SIMPLE_HEAD)
    for name, field in type(settings).model_fields.items():
        if name not in ELSEWHERE:
            table.add_row(name, str(getattr(settings, name)), escape(field.description or ""))
    return table
