"""The `nasturtium` command. Everything slow is imported by the command that needs it."""

import errno
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from nasturtium.core.errors import NasturtiumError, UsageError
from nasturtium.core.version import VERSION

if TYPE_CHECKING:
    from nasturtium.result import Result
    from nasturtium.study.progress import Progress

app = typer.Typer(
    help="Neural architecture search for PyTorch: from images to a trained, judged and exported network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console()
err = Console(stderr=True)

Folder = Annotated[Path, typer.Option(help="Where runs are kept.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
RunName = Annotated[str, typer.Argument(help="The run's name, see `nasturtium runs`.")]


@app.command()
def search(
    data: Annotated[
        str | None, typer.Option(help="Data set name, folder of images, or .npz file. Default: digits.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space, see `nasturtium spaces`. Default: darts.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Method, see `nasturtium methods`; `… methods NAME` tells its settings. Default: darts."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="For everything: '10m', '2h'; for the search alone: '20 epochs', or '50 trials' of methods"
            " that train each architecture. Default: 5m."
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(help="Name of the run; an existing one is resumed.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same machine, same result. Default: 0.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where runs are kept. Default: runs.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps. Default: auto.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Resize the images of a folder.")] = None,
    random_networks: Annotated[
        int | None, typer.Option(help="Random rivals of the found network. Default: 5.")
    ] = None,
    search_net: Annotated[
        str | None, typer.Option(help="Sizes while searching, e.g. channels=8,cells=5.")
    ] = None,
    final_net: Annotated[str | None, typer.Option(help="Sizes of the final network.")] = None,
    training: Annotated[
        str | None, typer.Option(help="Final training, e.g. epochs=30,learning_rate=0.05.")
    ] = None,
    searching: Annotated[
        str | None,
        typer.Option(
            help="Settings of the search, e.g. batch_size=32,strategy=nsga2; `nasturtium methods NAME`"
            " lists them."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="The most that the final network may have: params, or flops (multiply-adds for one image),"
            " e.g. params=300000. May be repeated; methods that compare whole architectures keep it."
        ),
    ] = None,
    search_setting: Annotated[
        list[str] | None,
        typer.Option(help="Training setting to search jointly, e.g. learning_rate=0.01,0.03,0.1."),
    ] = None,
    options: Annotated[Path | None, typer.Option(help="Options from a YAML or TOML file.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    debug: Debug = False,
) -> None:
    """Search, train, judge and export a network. The same command again resumes or shows the run."""
    with told_plainly(debug):
        from nasturtium.core.config import SearchConfig, read_options

        given: dict[str, Any] = {
            "data": data,
            "space": space,
            "method": method,
            "budget": budget,
            "run": run,
            "seed": seed,
            "folder": folder,
            "device": device,
            "image_size": image_size,
            "random_networks": random_networks,
            "search_net": _pairs("--search-net", search_net),
            "final_net": _pairs("--final-net", final_net),
            "training": _pairs("--training", training),
            "searching": _pairs("--searching", searching),
            "limits": _pairs("--limit", ",".join(limit) if limit else None),
            "search_settings": _grids(search_setting),
        }
        values = {name: value for name, value in given.items() if value is not None}
        config = SearchConfig.parse({**(read_options(options) if options else {}), **values})
        _search(config, quiet)


def _search(config: Any, quiet: bool) -> None:
    from nasturtium.job import run_job

    command = shlex.join(["nasturtium", *sys.argv[1:]])
    try:
        result = run_job(config, command=command, progress=_progress(quiet))
    except KeyboardInterrupt:
        err.print(
            f"\nStopped. Every finished epoch and trial is saved in {config.folder / config.name}.\n"
            f"Resume with the same command: {command}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    _show(result)


def _progress(quiet: bool) -> "Progress":
    from nasturtium.cli.progress import LiveBar, PlainLines
    from nasturtium.study.progress import SILENT

    if quiet:
        return SILENT
    return LiveBar(out) if out.is_terminal else PlainLines(out)


def _show(result: "Result") -> None:
    """The outcome of a run: the found architecture, the verdict, what it cost, where things are."""
    if result.notation:
        out.print(result.notation, highlight=False, markup=False, soft_wrap=True)
    table = Table("network", "test accuracy", "parameters")
    for row in result.verdict["networks"]:
        table.add_row(row["label"], f"{100 * row['accuracy']:.2f} %", f"{row['parameters']:,}")
    out.print(table)
    out.print(result.verdict["sentence"], highlight=False, markup=False, soft_wrap=True)
    total = result.ledger.total.cost
    out.print(f"spent {total.seconds:.0f} s in all, {total.forward:,} forward passes", highlight=False)
    for file in (*result.files, result.report_path):
        out.print(f"  {file}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def report(
    run: RunName,
    folder: Folder = Path("runs"),
    to: Annotated[Path | None, typer.Option(help="Where to write it. Default: the run's folder.")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a run again, also of one that is unfinished."""
    with told_plainly(debug):
        from nasturtium.result import Result

        out.print(str(Result.read(folder, run).report(to)), highlight=False, markup=False, soft_wrap=True)


@app.command()
def export(
    run: RunName,
    to: Annotated[Path, typer.Option(help="The folder to write to.")],
    folder: Folder = Path("runs"),
    debug: Debug = False,
) -> None:
    """Write weights, architecture.json, network.py and net.onnx of a finished run to a folder, each
    verified.
    """
    with told_plainly(debug):
        from nasturtium.result import Result

        for file in Result.read(folder, run).export(to):
            out.print(str(file), highlight=False, markup=False, soft_wrap=True)


@app.command()
def runs(folder: Folder = Path("runs"), debug: Debug = False) -> None:
    """List the runs in a folder."""
    with told_plainly(debug):
        from nasturtium.study.log import is_open, list_runs

        found = list_runs(folder)
        if not found:
            out.print(f"no runs in {folder}", highlight=False)
            return
        table = Table(Column("run", no_wrap=True), "state", "begun (UTC)", "budget", "error")
        for row in found:
            killed = row.state == "running" and not is_open(folder, row.name)
            state = "killed" if killed else row.state
            table.add_row(row.name, state, row.created[:16], str(row.config["budget"]), row.error or "")
        out.print(table)


@app.command()
def spaces(
    names: Annotated[list[str] | None, typer.Argument(help="Spaces to describe. Default: list all.")] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Draw a sampled architecture of each into this folder.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which architecture is sampled.")] = 0,
    debug: Debug = False,
) -> None:
    """List the search spaces with their exact sizes, describe some, or draw them."""
    with told_plainly(debug):
        from nasturtium.cli import spaces as shown
        from nasturtium.spaces.base import SPACES

        for name in names or ():
            SPACES.get(name)  # a wrong name is refused before anything is shown
        if draw is not None:
            page = shown.draw(names or SPACES.names(), draw, seed)
            out.print(str(page), highlight=False, markup=False, soft_wrap=True)
        elif names:
            for name in names:
                shown.describe(name, out)
        else:
            shown.list_spaces(out)


@app.command()
def methods(
    names: Annotated[list[str] | None, typer.Argument(help="Methods to describe. Default: list all.")] = None,
    debug: Debug = False,
) -> None:
    """List the search methods, or describe some: what they search, their budgets, limits and settings."""
    with told_plainly(debug):
        from nasturtium.cli import methods as shown
        from nasturtium.methods.base import METHODS

        for name in names or ():
            METHODS.get(name)  # a wrong name is refused before anything is shown
        for name in names or ():
            shown.describe(name, out)
        if not names:
            shown.list_methods(out)


@app.command()
def bench(
    benchmark: Annotated[
        Path,
        typer.Option(
            help="A table: digits, which is ours, a file (.csv, .csv.gz, .parquet, .npz), or a benchmark's"
            " release, see docs/strategies.md."
        ),
    ],
    signal: Annotated[
        str | None,
        typer.Option(
            help="The column that strategies see, or several: accuracy,size. Left out: that of digits; of a"
            " file, say which there are."
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            help="The columns by which they are judged, one for each signal: of the best signal so far, or of"
            " the front by several. Default: the signals."
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Names with commas between, or with options: optuna:sampler=gp.")
    ] = "random,evolution,local-search,auto",
    goal: Annotated[str, typer.Option(help="max or min, of all columns or of each: max,min.")] = "max",
    queries: Annotated[int, typer.Option(min=1, help="Architectures looked up by each.")] = 200,
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each strategy.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Simulated: evaluations at the same time.")] = 1,
    seconds: Annotated[
        str | None,
        typer.Option(
            help="The column of how long each takes, in simulated seconds; adds curves over these. Default:"
            " all alike."
        ),
    ] = None,
    hints: Annotated[
        str | None,
        typer.Option(
            help="Columns that strategies may look up of any architecture, at no cost: parameters, zero-cost"
            " scores. Only auto does."
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write curves and pictures to this folder.")] = None,
    debug: Debug = False,
) -> None:
    """Compare black-box strategies at equal budgets on a table of known results."""
    with told_plainly(debug):
        from nasturtium.bench.entrants import entrants
        from nasturtium.cli import bench as shown

        found = shown.benchmark_of(benchmark, signal, report, goal, queries, workers, seconds, hints)
        named = entrants(name.strip() for name in strategies.split(","))
        shown.run(found, named, seeds, to, out, _progress(quiet=not out.is_terminal))


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Neural architecture search for PyTorch: from images to a trained, judged and exported network."""
    if show:
        out.print(VERSION)
        raise typer.Exit


@contextmanager
def told_plainly(debug: bool) -> Iterator[None]:
    """Errors as sentences with their exit code, and warnings as lines; tracebacks only with `--debug`."""
    logging.basicConfig(level=logging.WARNING, format="warning: %(message)s", stream=sys.stderr)
    try:
        yield
    except typer.Exit:
        raise
    except NasturtiumError as error:
        _tell(str(error), debug)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _tell("stopped", debug)
        raise typer.Exit(130) from None
    except OSError as error:
        full = (
            "no space left on the disk; what was stored before is intact"
            if error.errno == errno.ENOSPC
            else error
        )
        _tell(str(full), debug)
        raise typer.Exit(1) from None
    except Exception as error:
        _tell(f"this is a fault of nasturtium: {type(error).__name__}: {error} (--debug shows where)", debug)
        raise typer.Exit(1) from None


def _tell(text: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    err.print(f"error: {text}", highlight=False, markup=False, soft_wrap=True)


def _pairs(option: str, text: str | None) -> Mapping[str, Any] | None:
    """`a=1,b=x` as a mapping of YAML scalars."""
    if text is None:
        return None
    import yaml

    pairs = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} takes name=value pairs with commas between them, got {part!r}")
        pairs[name.strip().replace("-", "_")] = yaml.safe_load(value)
    return pairs


def _grids(texts: list[str] | None) -> Mapping[str, Any] | None:
    """`learning_rate=0.01,0.1` as a mapping of lists."""
    if not texts:
        return None
    import yaml

    grids = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals:
            raise UsageError(f"--search-setting takes name=value,value,…, got {text!r}")
        grids[name.strip().replace("-", "_")] = [yaml.safe_load(value) for value in values.split(",")]
    return grids


def main() -> None:
    """Entry point of the `nasturtium` command."""
    # Threads that wait spin, which costs up to a hundredfold where something else runs too. This short
    # spin was as fast as the default on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    app(prog_name="nasturtium")


if __name__ == "__main__":
    main()
