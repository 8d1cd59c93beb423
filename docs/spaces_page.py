"""Writes docs/spaces.md, the page of all search spaces, from their registry.

`make docs` runs it; with --check it only says whether the page is as it would be written.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from nasturtium.report.tables import count
from nasturtium.spaces.base import SPACES, published

PAGE = Path(__file__).with_name("spaces.md")
HEAD = """# Search spaces

Made by `make docs` from what is registered; don't edit it. Sizes are exact, conditions and constraints
included. `nasturtium spaces NAME` lists the decisions of a space with their options, `nasturtium spaces
--draw DIR` draws a sampled architecture of each. Network sizes are set by `--search-net` and `--final-net`;
the defaults are the published ones. A space that does not go from images to classes is used from Python:

```python
import nasturtium as nas

blueprint = nas.make_space("darts", (3, 32, 32), classes=10)  # the shape of one example, the classes
network = blueprint.build(blueprint.points["DARTS_V2"], seed=0)  # or blueprint.space.sample(rng)
```

Gradient methods such as `darts` need a space whose options *mix*, that is, run together with weights;
methods that train each architecture, such as `random`, need nothing.

| space | what | architectures | decisions | mixes | takes → scores | network sizes | published |
|---|---|---:|---:|---|---|---|---|
"""


def rows() -> Iterator[str]:
    """A line of the table for each space."""
    for name in SPACES.names():
        info, entry = SPACES.info(name), SPACES.get(name)
        blueprint = published(name)
        space = blueprint.space
        sizes = ", ".join(f"`{size}={default}`" for size, default in entry.sizes.items())
        shape = "×".join(map(str, entry.shape))
        cells = (
            f"[{name}]({info.paper})",
            info.summary,
            count(space.size()),
            f"{len(space.decisions):,}" if space.decisions else "any",
            "yes" if blueprint.mixes else "",
            f"{entry.takes} {shape} → {entry.gives}",
            sizes,
            ", ".join(f"`{point}`" for point in blueprint.points),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is old")
    options = parser.parse_args()
    text = HEAD + "\n".join(rows()) + "\n"
    if options.check:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE.name} is {'up to date' if current else 'old: run make docs'}")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
