"""What strategies themselves take: trials per second of CPU time on the space of NAS-Bench-201.

An evaluation here is a look into a list of random losses. Samplers of Optuna run once as the strategy
`optuna`, and once in a study that suggests the same six categories without us.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import optuna

from nasturtium.bench.entrants import entrants
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.tables.nasbench201 import SPACE

PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))
OURS = (
    *("random", "random:replace=true", "grid", "evolution", "genetic", "age-fitness", "nsga2", "moead"),
    *("annealing", "local-search", *(SLOW := ("auto", "optuna:sampler=random", "optuna"))),
)

Step = Callable[[int, float], None]
"""Asks once and tells the given loss; the number is that of the trial."""


def ours(strategy: Strategy) -> Step:
    def step(number: int, loss: float) -> None:
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(number, proposal, "ok", (loss,))])

    return step


def optunas(sampler: optuna.samplers.BaseSampler) -> Step:
    study = optuna.create_study(sampler=sampler)

    def step(number: int, loss: float) -> None:
        trial = study.ask()
        for name, decision in SPACE.decisions.items():
            trial.suggest_categorical(name, decision.options)
        study.tell(trial, loss)

    return step


def rate(step: Step, before: int, steps: int) -> float:
    """Steps per second of CPU time, after `before` of them."""
    losses = np.random.default_rng(0).random(before + steps).tolist()
    for number in range(before):
        step(number, losses[number])
    start = time.process_time()
    for number in range(before, before + steps):
        step(number, losses[number])
    return steps / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=int, default=1000, help="trials told before the clock starts")
    parser.add_argument("--steps", type=int, default=2000, help="trials timed; of slow ones a tenth")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many is shown")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    theirs: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
        "Optuna's RandomSampler": lambda seed: optuna.samplers.RandomSampler(seed=seed),
        "Optuna's TPESampler": lambda seed: optuna.samplers.TPESampler(seed=seed),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*theirs, *OURS)}
    for seed in range(options.rounds):
        for name, sampler in theirs.items():
            rates[name].append(rate(optunas(sampler(seed)), options.before, options.steps // 10))
        for name, make in entrants(OURS).items():
            steps = options.steps // (10 if name in SLOW else 1)
            rates[name].append(rate(ours(make(PROBLEM, seed)), options.before, steps))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first, second = (medians[name] for name in theirs)
    print("| strategy | trials per CPU second | to Optuna's random | to its TPE |\n|---|---|---|---|")
    for name, found in medians.items():
        print(f"| {name} | {found:,.0f} | {_times(found / first)} | {_times(found / second)} |")


def _times(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


if __name__ == "__main__":
    main()
