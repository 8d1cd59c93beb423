"""How architectures are varied: at random, and to all their neighbours."""

from itertools import islice

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace


def vary(space: SearchSpace, arch: Architecture, rng: np.random.Generator) -> Architecture:
    """`arch`, each decision of which changes with a chance of one in their number."""
    changes = int(rng.binomial(len(arch), 1 / max(len(arch), 1)))
    return space.mutate(arch, rng, n=changes) if changes else arch


def around(space: SearchSpace, arch: Architecture, rng: np.random.Generator, most: int) -> list[Architecture]:
    """The neighbours of `arch`, each once; of more than `most`, as many random mutations, or fewer."""
    near = list(islice(space.neighbors(arch), most + 1))
    if len(near) > most:
        near = [space.mutate(arch, rng) for _ in range(most)]
    return list(dict.fromkeys(near))
