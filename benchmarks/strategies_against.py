"""`nasturtium bench` with one more strategy, `pymoo`: the NSGA-II of pymoo (Blank & Deb 2020,
https://doi.org/10.1109/ACCESS.2020.2990567), under the same budget, seeds and judgement as all others.

It is pymoo's for mixed variables, every decision a `Choice`, with the population of our `nsga2`, parents from
binary tournaments, and mutations with a chance of one in the number of decisions; pymoo's own default draws
parents at random and mutates every second decision.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.core.evaluator import Evaluator
from pymoo.core.mixed import (
    MixedVariableDuplicateElimination,
    MixedVariableMating,
    MixedVariableSampling,
)
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UX
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.problems.static import StaticProblem
from rich.console import Console

from nasturtium.bench.entrants import entrants
from nasturtium.cli.bench import benchmark_of, run
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.study.progress import SILENT

POPULATION = 20


class Pymoo(Strategy):
    """A generation is told completely before the next is bred. For spaces without conditions and limits."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed=seed)
        decisions = problem.space.decisions.values()
        self._values = {d.name: list(d.values()) for d in decisions}
        variables = {name: Choice(options=range(len(values))) for name, values in self._values.items()}
        self._theirs = PymooProblem(vars=variables, n_obj=len(problem.objectives))
        mating = MixedVariableMating(
            selection=TournamentSelection(func_comp=binary_tournament),
            crossover={Choice: UX()},
            mutation={Choice: ChoiceRandomMutation(prob_var=1 / len(variables))},
            eliminate_duplicates=MixedVariableDuplicateElimination(),
        )
        self._algorithm = NSGA2(
            pop_size=POPULATION,
            sampling=MixedVariableSampling(),
            mating=mating,
            eliminate_duplicates=MixedVariableDuplicateElimination(),
        )
        self._algorithm.setup(self._theirs, termination=NoTermination(), seed=seed, verbose=False)
        self._generation: Population = []
        self._losses: dict[int, Sequence[float]] = {}
        self._asked = self._before = 0  # in all, and before this generation

    def ask(self, n: int) -> list[Proposal]:
        if len(self._losses) == len(self._generation):
            self._next_generation()
        begin = self._asked - self._before
        chosen = self._generation[begin : begin + n]
        self._asked += len(chosen)
        return [Proposal(self._arch(member.X)) for member in chosen]

    def _next_generation(self) -> None:
        if len(self._generation):
            losses = np.array([self._losses[i] for i in sorted(self._losses)])
            Evaluator().eval(StaticProblem(self._theirs, F=losses), self._generation)
            self._algorithm.tell(infills=self._generation)
        self._generation, self._losses, self._before = self._algorithm.ask(), {}, self._asked

    def _arch(self, picked: dict[str, int]) -> Architecture:
        return Architecture({name: values[picked[name]] for name, values in self._values.items()})

    def tell(self, trials: Sequence[Trial]) -> None:
        self._losses |= {trial.id: trial.losses for trial in trials}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--signal", required=True)
    parser.add_argument("--report")
    parser.add_argument("--goal", default="max")
    parser.add_argument(
        "--strategies", default="random,evolution,nsga2,optuna", help="as in nasturtium bench"
    )
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    benchmark = benchmark_of(
        options.table, options.signal, options.report, options.goal, options.queries, 1, options.seconds, None
    )
    everyone = {**entrants(options.strategies.split(",")), "pymoo": Pymoo}
    run(benchmark, everyone, options.seeds, options.to, Console(), SILENT)


if __name__ == "__main__":
    main()
