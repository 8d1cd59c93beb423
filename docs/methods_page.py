"""Writes docs/methods.md, the page of all methods and of what each can search, by trying it.

`make docs` runs it; with --check it only says whether the page is as it would be written.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from choice_kinds import KINDS, refusal

from nasturtium.methods.base import METHODS

PAGE = Path(__file__).with_name("methods.md")
HEAD = """# Methods

Made by `make docs`, which searches a small network with each kind of choice by each method; don't edit it.

| method | what |
|---|---|
"""
CAN = """
## What a method can search

A number says why it can't: the method refuses the space with that error before anything is spent.

"""


def methods() -> Iterator[str]:
    """A line for each method."""
    for name in METHODS.names():
        info = METHODS.info(name)
        yield f"| [{name}]({info.paper}) | {info.summary} |"


def capabilities() -> Iterator[str]:
    """The table of method × kind of choice, and below it the errors that its numbers stand for."""
    reasons: dict[str, int] = {}
    yield f"| method | {' | '.join(KINDS)} |"
    yield f"|---|{'---|' * len(KINDS)}"
    for name in METHODS.names():
        found = [refusal(name, kind) for kind in KINDS]
        marks = ["yes" if why is None else str(reasons.setdefault(why, len(reasons) + 1)) for why in found]
        yield f"| {name} | {' | '.join(marks)} |"
    yield ""
    yield from (f"{number}. {why[0].upper()}{why[1:]}" for why, number in reasons.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is old")
    torch.set_num_threads(1)
    text = HEAD + "\n".join(methods()) + "\n" + CAN + "\n".join(capabilities()) + "\n"
    if parser.parse_args().check:
        same = PAGE.exists() and PAGE.read_text() == text
        print("docs/methods.md is up to date" if same else "docs/methods.md is old: run `make docs`")
        return 0 if same else 1
    PAGE.write_text(text)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
