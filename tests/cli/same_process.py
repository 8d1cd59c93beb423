"""The command in the process of the tests: starting Python for every wrong word would take seconds each."""

from contextlib import chdir
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from nasturtium.cli.main import app


def same_process(*words: str, cwd: Path) -> Result:
    with chdir(cwd):
        return CliRunner().invoke(app, words)
