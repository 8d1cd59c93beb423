"""The page of a report: one HTML file with everything in it, which needs no network and no other file."""

import base64
import math
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from nasturtium.report.data import Judged, ReportData, Verdict
from nasturtium.report.glossary import terms
from nasturtium.report.pictures import Pictures
from nasturtium.report.tables import count, duration, percent, value_text
from nasturtium.space.cell_graph import other_decisions

UNFINISHED = {
    "running": "This run had not ended when the report was written.",
    "stopped": "This run was interrupted.",
    "failed": "This run ended with an error.",
}
SPLITS = {
    "search-train": "trains the weights during the search",
    "search-valid": "guides the choice of the architecture",
    "train": "trains the final networks from scratch",
    "valid": "watched in training, for comparison",
    "test": "opened once, for the verdict",
}


@dataclass(frozen=True)
class Row:
    """A line of the verdict table; `kind` is its style."""

    name: str
    parameters: str
    accuracy: str
    kind: str


@dataclass(frozen=True)
class Fact:
    """A key number with what it counts."""

    value: str
    name: str
    remark: str


def page(data: ReportData, pictures: Pictures) -> str:
    """The HTML text; all that comes from the run is escaped."""
    arch = data.architecture
    return template("template.html").render(
        data=data,
        verdict=data.verdict,
        headline=_headline(data),
        details=_details(data),
        facts=_facts(data),
        rows=() if data.verdict is None else _rows(data.verdict),
        others={} if arch is None else other_decisions(arch, data.cells),
        pictures=pictures,
        entries=(*data.ledger.entries, data.ledger.total) if data.ledger.entries else (),
        splits=[(name, images, SPLITS.get(name, "")) for name, images in data.data.splits.items()],
        shared=_shared(data),
        glossary=terms(data),
    )


def template(name: str) -> Template:
    """A page of this room, to be filled in; what is filled in is escaped."""
    environment = Environment(
        loader=PackageLoader("nasturtium.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "count": count, "duration": duration, "value": value_text}
    environment.globals["inline"] = _inline
    environment.tests["link"] = _is_link
    environment.tests["unbounded"] = lambda size: size == math.inf
    return environment.get_template(name)


def _inline(png: bytes) -> str:
    """A picture as a part of the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _is_link(text: str) -> bool:
    """Only addresses of the web become links, whatever a space or method of somebody else says."""
    return text.startswith(("https://", "http://"))


def _headline(data: ReportData) -> str:
    """The outcome in a few words."""
    if data.verdict is None:
        return "No verdict yet"
    return data.verdict.sentence.split(":")[0].rstrip(".") + "."


def _details(data: ReportData) -> str:
    """The rest of the outcome, as a sentence of its own."""
    if data.verdict is not None:
        rest = data.verdict.sentence.partition(":")[2].strip()
        return f"The found network is right about {rest}" if rest else ""
    known = (
        "An architecture was found, but"
        if data.architecture is not None
        else "No architecture was found yet, and"
    )
    why = f" It says: {data.error}" if data.error else ""
    return (
        f"{UNFINISHED.get(data.state, '')}{why} {known} the networks have not been trained and tested; "
        f"what is missing below is left out. Give the command again to go on."
    ).strip()


def _facts(data: ReportData) -> list[Fact]:
    """The figures at the top of the page."""
    facts = []
    verdict = data.verdict
    if verdict is not None:
        error = 100 * verdict.standard_error(verdict.searched.accuracy)
        facts += [
            Fact(percent(verdict.searched.accuracy), "test accuracy", f"± {error:.2f} (standard error)"),
            Fact(_gain(verdict), "against random", "points, compared with the mean of random architectures"),
            Fact(count(verdict.searched.parameters), "parameters", "weights in the found network"),
        ]
    total = data.ledger.total
    facts.append(Fact(duration(total.cost.seconds), "spent in all", "the sum of all stages"))
    if data.space_size is not None:
        facts.append(Fact(count(data.space_size), "architectures", f"in the space “{data.space.name}”"))
    return facts


def _gain(verdict: Verdict) -> str:
    gain = 100 * (verdict.searched.accuracy - verdict.random_mean)
    return f"{gain:+.2f}".replace("-", "−")


def _shared(data: ReportData) -> str:
    """What the found architecture can do with the weights of the supernet, and what that means."""
    if data.shared_accuracy is None:
        return ""
    words = (
        "With the weights that it has in the supernet the found network is right about"
        f" {percent(data.shared_accuracy)} of the search-valid images"
    )
    last = data.search_curve[-1] if data.search_curve else None
    if last is not None and last.probabilities:
        words += (
            f"; the supernet as the search ran it was right about {percent(last.valid_accuracy)} in its last"
            " epoch. The step between the two is the price of choosing one operation from each mixture"
        )
    if data.verdict is not None:
        words += (
            ". Trained by itself from scratch, at its final size and on all training images, the network is"
            f" right about {percent(data.verdict.searched.accuracy)} of the test images. The further shared"
            " weights are from that, the less the search could know of the networks that it chose from"
        )
    return f"{words}."


def _rows(verdict: Verdict) -> list[Row]:
    """Every network, and after the random ones their mean ± standard deviation."""

    def row(net: Judged, kind: str) -> Row:
        error = 100 * verdict.standard_error(net.accuracy)
        return Row(net.label, count(net.parameters), f"{percent(net.accuracy)} ± {error:.2f}", kind)

    parameters = sum(net.parameters for net in verdict.random) / len(verdict.random)
    mean = f"{percent(verdict.random_mean)} ± {100 * verdict.random_std:.2f}"
    name = f"mean ± standard deviation of {len(verdict.random)} random architectures"
    return [
        row(verdict.searched, "found"),
        *(row(net, "random") for net in verdict.random),
        Row(name, count(round(parameters)), mean, "mean"),
        row(verdict.residual, "residual"),
    ]
