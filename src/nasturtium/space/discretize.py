"""From probabilities to an architecture: the derivation rule of differentiable search.

A one-of-n decision takes its most probable option. A k-of-n decision ranks each option by the strongest real
option among the decisions that it switches on (times its own probability where it has one) and keeps the k
best: on a DARTS node these are the two incoming edges with the largest non-zero operation (Liu et al. 2019,
https://arxiv.org/abs/1806.09055).
"""

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import active
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.space.search_space import SearchSpace

Probabilities = Mapping[str, Sequence[float]]
MOST_REPAIRS = 10_000


def discretize(space: SearchSpace, probabilities: Probabilities) -> Architecture:
    """The architecture that `probabilities` (decision name → one value per option, any scale) point to.

    A decision without a row counts as equally likely options. Where constraints reject the best choices, the
    valid architecture with the best product of probabilities is searched for, best first. Ties go to the
    earlier option. Raises `UsageError` for a row of the wrong length or if no valid architecture is found.
    """
    ranked = {name: _ranking(space, d, probabilities) for name, d in space.decisions.items()}
    start = tuple(0 for _ in ranked)
    heap: list[tuple[float, tuple[int, ...]]] = [(0.0, start)]
    seen = {start}
    for _ in range(MOST_REPAIRS):
        if not heap:
            break
        loss, ranks = heapq.heappop(heap)
        wish = {name: ranked[name][rank][1] for name, rank in zip(ranked, ranks, strict=True)}
        arch = _active_part(space, wish)
        if space.why_not(arch) is None:
            return arch
        for i, name in enumerate(ranked):
            if ranks[i] + 1 < len(ranked[name]) and name in arch:
                step = ranked[name][ranks[i]][0] - ranked[name][ranks[i] + 1][0]
                following = (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :])
                if following not in seen:
                    seen.add(following)
                    heapq.heappush(heap, (loss + step, following))
    raise UsageError(f"no architecture near these probabilities satisfies: {space.to_dict()['constraints']}")


def _ranking(
    space: SearchSpace, decision: Decision, probabilities: Probabilities
) -> list[tuple[float, Value]]:
    """Every value with its log-score, best first."""
    scores = {o: math.log(max(p, 1e-30)) for o, p in _strengths(space, decision, probabilities).items()}
    if not decision.many:
        return sorted(((scores[o], o) for o in decision.options), key=lambda pair: -pair[0])
    totals = [
        (sum(scores[o] for o in chosen), chosen)
        for chosen in itertools.combinations(decision.options, decision.k)
    ]
    return sorted(totals, key=lambda pair: -pair[0])


def _strengths(space: SearchSpace, decision: Decision, probabilities: Probabilities) -> dict[Option, float]:
    own = _row(decision, probabilities)
    if not decision.many:
        return own
    return {o: own[o] * _best_below(space, decision.name, o, probabilities) for o in decision.options}


def _best_below(space: SearchSpace, name: str, option: Option, probabilities: Probabilities) -> float:
    """The largest probability among decisions that are switched on by choosing `option` of decision
    `name`.
    """
    below = [
        max(_row(space.decisions[child], probabilities).values())
        for child, condition in space.conditions.items()
        if any(w.decision == name and option in w.options for c in condition for w in c)
    ]
    return max(below, default=1.0)


def _row(decision: Decision, probabilities: Probabilities) -> dict[Option, float]:
    row = probabilities.get(decision.name)
    if row is None:
        return dict.fromkeys(decision.options, 1.0)
    if len(row) != len(decision.options):
        raise UsageError(
            f"decision {decision.name!r} has {len(decision.options)} options but {len(row)} probabilities"
        )
    return dict(zip(decision.options, map(float, row), strict=True))


def _active_part(space: SearchSpace, wish: Mapping[str, Value]) -> Architecture:
    values: dict[str, Value] = {}
    changed = True
    while changed:  # conditions may read decisions that come later in the mapping
        changed = False
        for name, value in wish.items():
            if name not in values and active(space.conditions[name], values):
                values[name] = value
                changed = True
    return Architecture({name: values[name] for name in space.decisions if name in values})
