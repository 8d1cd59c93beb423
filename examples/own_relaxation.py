"""A search method of your own in one file: a relaxation and a recipe, compared with darts on the digits."""

import argparse

import torch
from torch import Tensor

import nasturtium as nas
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.modules.choice import Gate
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class Sparsemax(Relaxation):
    """The softmax of DARTS replaced by the nearest point of the simplex (Martins & Astudillo 2016,
    https://arxiv.org/abs/1602.02068), in which weak options weigh exactly zero and are not run.
    """

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """The options that weigh anything."""
        if alpha is None:
            return super().gate(decision, alpha)  # all inputs of a node, unweighted
        weights = self.probabilities(decision, alpha)
        running = weights.nonzero().flatten()
        return Gate(tuple(running.tolist()), weights[running])

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """Of α sorted, the first k share what they exceed a threshold by."""
        ordered = alpha.sort(descending=True).values
        excess = ordered.cumsum(0) - 1
        ranks = torch.arange(1, len(alpha) + 1, device=alpha.device)
        k = int((ranks * ordered > excess).sum())
        return (alpha - excess[k - 1] / k).clamp(min=0)


@METHODS.register(
    "sparsemax",
    summary="DARTS without weak operations",
    paper="https://arxiv.org/abs/1602.02068",
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def sparsemax(task: Task) -> list[Stage]:
    """Weights and architecture take turns, as in `darts`."""
    return paced(GradientSearch(task, Sparsemax(), FirstOrder()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="20 epochs", help="of each search")
    parser.add_argument("--epochs", type=int, default=10, help="of each final training")
    parser.add_argument("--seeds", type=int, default=2, help="searches with each method")
    parser.add_argument("--folder", default="runs")
    options = parser.parse_args()
    sizes = {"channels": 4, "cells": 1}
    for seed in range(options.seeds):
        for method in ("darts", "sparsemax"):
            result = nas.search(
                data="digits",
                space="nasbench201",
                method=method,
                budget=options.budget,
                seed=seed,
                search_net=sizes,
                final_net=sizes,
                training={"epochs": options.epochs},
                random_networks=2,
                folder=options.folder,
            )
            found = result.verdict["networks"][0]
            spent = next(entry.cost.seconds for entry in result.ledger.entries if entry.stage == "search")
            print(f"{method:9} seed {seed}: {100 * found['accuracy']:.1f} % after {spent:.0f} s of search")
