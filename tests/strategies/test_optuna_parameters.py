import json
from itertools import islice

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FixedTrial

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.optuna.parameters import Parameters
from space.space_examples import condition, conditional, darts_like, when


def test_kinds_of_decisions_are_kinds_of_parameters():
    space = SearchSpace(
        [
            Decision("depth", (2, 4, 8), ordered=True),
            Decision("op", ("conv", "pool")),
            Decision("inputs", (0, 1, 2), k=2),
            Decision("one", (0.5, 1)),
        ]
    )
    assert Parameters(space).distributions == {
        "depth": IntDistribution(0, 2),
        "op": CategoricalDistribution(("conv", "pool")),
        "inputs": CategoricalDistribution(("[0, 1]", "[0, 2]", "[1, 2]")),
        "one": CategoricalDistribution((0.5, 1)),
    }
    fixed = FixedTrial({"depth": 1, "op": "pool", "inputs": "[0, 2]", "one": 1})
    assert dict(Parameters(space).suggest(fixed)) == {"depth": 4, "op": "pool", "inputs": (0, 2), "one": 1}


@pytest.mark.parametrize("space", [conditional, darts_like])
def test_every_architecture_has_parameters_that_make_it_again(space):
    parameters = Parameters(space())
    for arch in islice(space().enumerate(), 50):
        found = parameters.of(arch)
        assert found.keys() == set(arch)  # none for what is switched off
        assert parameters.architecture(found) == arch
        assert parameters.suggest(FixedTrial(found)) == arch
        assert json.loads(json.dumps(found)) == found


def test_a_trial_has_parameters_for_what_is_active_only_whatever_the_order():
    """A decision that stands before the one that switches it on."""
    space = SearchSpace(
        [Decision("kernel", (1, 3)), Decision("op", ("conv", "skip"))],
        {"kernel": condition([when("op", "conv")])},
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        arch = Parameters(space).suggest(trial)
        assert arch in space
        assert trial.params == dict(arch)
        study.tell(trial, 0.0)
    assert {tuple(trial.params) for trial in study.trials} == {("op",), ("op", "kernel")}


def test_other_parameters_are_left_out_and_wrong_ones_refused():
    parameters = Parameters(conditional())
    assert dict(parameters.architecture({"kind": "none", "lr": 0.1})) == {"kind": "none"}
    with pytest.raises(UsageError, match="'conv/kernel' is missing"):
        parameters.architecture({"kind": "conv"})
    with pytest.raises(UsageError, match="'kind' can't be 'cov'"):
        parameters.architecture({"kind": "cov"})


def test_what_is_no_list_of_few_choices_is_refused():
    with pytest.raises(UsageError, match="'in' has 184,756 values \\(10 of 20 options\\)"):
        Parameters(SearchSpace([Decision("in", tuple(range(20)), k=10)]))
    Parameters(SearchSpace([Decision("in", tuple(range(45)), k=2)]))  # 990
    space = GrowingSpace.__new__(GrowingSpace)
    assert space.unbounded
    with pytest.raises(UsageError, match="no largest network"):
        Parameters(space)
