"""How genetic algorithms vary what they have bred."""

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace


def vary(space: SearchSpace, arch: Architecture, rng: np.random.Generator) -> Architecture:
    """`arch`, each decision of which changes with a chance of one in their number."""
    changes = int(rng.binomial(len(arch), 1 / max(len(arch), 1)))
    return space.mutate(arch, rng, n=changes) if changes else arch
