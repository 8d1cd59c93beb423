"""All pictures of a report, by the section they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from nasturtium.report.arrange import faded, nothing_edges
from nasturtium.report.data import ReportData
from nasturtium.report.decision_table import decision_table, place_of, table_figure
from nasturtium.report.drawings import cell_figure
from nasturtium.report.heading import heading
from nasturtium.report.plots import search_curves, training_curves, trial_accuracies, verdict_plot
from nasturtium.report.probabilities import probability_pictures
from nasturtium.report.style import Picture, picture, readable, slug
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, other_decisions
from nasturtium.space.decision import Decision, members
from nasturtium.space.search_space import SearchSpace

MOST_LISTED = 8  # decisions outside of cells; more are drawn as well


@dataclass(frozen=True)
class Pictures:
    """What could be drawn of a run; a part that the run lacks is empty."""

    verdict: tuple[Picture, ...]
    cells: tuple[Picture, ...]
    search: tuple[Picture, ...]
    probabilities: tuple[Picture, ...]
    training: tuple[Picture, ...]

    def all(self) -> tuple[Picture, ...]:
        """Every picture, in the order of the page."""
        return tuple(shown for part in fields(self) for shown in getattr(self, part.name))


def draw(data: ReportData) -> Pictures:
    """Draws what `data` has."""
    arch, space, curve = data.architecture, data.search_space, data.search_curve
    search = [search_curves(curve), heading(curve, data.found_after)] if curve else []
    training = training_curves(data)
    found = [cell_picture(i, graph) for i, graph in enumerate(data.cells, start=1)]
    if arch is not None and len(other_decisions(arch, data.cells)) > MOST_LISTED:
        found.append(decisions_picture(arch, space, data.cells))
    search.append(trial_accuracies(data.searched))
    return Pictures(
        verdict=() if data.verdict is None else (verdict_plot(data.verdict),),
        cells=tuple(found),
        search=tuple(shown for shown in search if shown is not None),
        probabilities=probability_pictures(curve, space, arch) if curve else (),
        training=() if training is None else (training,),
    )


def decisions_picture(arch: Architecture, space: SearchSpace, graphs: Sequence[CellGraph]) -> Picture:
    """The table of what `arch` decides besides its cells `graphs`."""
    # an unbounded space has no list of decisions
    unlisted = {n: tuple(dict.fromkeys(members(v))) for n, v in arch.items() if n not in space.decisions}
    every = [*space.decisions.values(), *(Decision(name, options) for name, options in unlisted.items())]
    shown = {d.name for d in every if any(graph.shows(d.name) for graph in graphs)}
    places = {place_of(name)[0] for name in shown}  # where cells leave blank what is switched off
    outside = [
        d for d in every if d.name not in shown and (d.name in arch or place_of(d.name)[0] not in places)
    ]
    words = "; ".join(f"{name}: {value}" for name, value in other_decisions(arch, graphs).items())
    return picture(
        table_figure(decision_table(arch, outside)),
        "decisions",
        "Decisions outside of cells" if graphs else "Decisions",
        alt=f"{words}.",
        note="A darker box is further along the options of its decision; what is switched off is blank.",
    )


def cell_picture(number: int, graph: CellGraph) -> Picture:
    """A drawn cell with its words; `number` keeps the names of pictures apart."""
    words = [
        f"{graph.nodes[s]} to {graph.nodes[t]}: {readable(op) or 'as it is'}" for s, t, op in graph.edges
    ]
    words += [f"{name} does {readable(op)}" for name, op in zip(graph.nodes, graph.ops, strict=False) if op]
    notes = ["Read from left to right; a box adds up everything that enters it."]
    if graph.inputs == 2:
        notes.append("cₖ₋₂ and cₖ₋₁ are the outputs of the two cells before.")
    nothing = nothing_edges(graph)
    if nothing:
        notes.append(f"Not drawn, because they carry nothing (none): {', '.join(nothing)}.")
    if faded(graph):
        notes.append("What is faded carries nothing of the input on to the output.")
    return picture(
        cell_figure(graph),
        f"cell-{number}-{slug(graph.name)}",
        f"Cell “{graph.name}”",
        alt=f"Cell {graph.name}: {'; '.join(words)}.",
        note=" ".join(notes),
    )
