import math

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.training.schedule import cosine, learning_rate
from nasturtium.training.settings import TrainSettings


def test_every_field_is_described():
    assert all(field.description for field in TrainSettings.model_fields.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": -1}, r"learning_rate = -1: .*greater than 0 \(highest step size"),
        ({"epochs": "many"}, "epochs = 'many': .*integer"),
        ({"momentum": 1}, "momentum = 1: .*less than 1"),
        ({"weight_decay": math.inf}, "weight_decay = inf: .*finite"),
        ({"precision": "16"}, "precision = '16': .*'bf16'"),
        ({"epoch": 3}, "there is no 'epoch': did you mean 'epochs'"),
        ({"epochs": 3, "warmup_epochs": 3}, r"warmup_epochs \(3\) must be less than epochs \(3\)"),
        ({"epochs": 0, "batch_size": 1}, "epochs = 0(.|\n)*batch_size = 1"),
    ],
)
def test_wrong_values_are_listed_with_their_meaning(values, message):
    with pytest.raises(UsageError, match=message):
        TrainSettings.parse(values)


def test_padding_follows_the_smaller_side_unless_it_is_given():
    assert TrainSettings().padding_for((1, 8, 8)) == 1
    assert TrainSettings().padding_for((3, 64, 32)) == 4
    assert TrainSettings.parse({"crop_padding": 0}).padding_for((3, 32, 32)) == 0


def test_a_cosine_falls_from_start_to_end():
    assert cosine(0, 10, 10.0, 0.1) == 10
    assert cosine(5, 10, 10.0, 0.0) == pytest.approx(5)
    assert cosine(10, 10, 10.0, 0.1) == pytest.approx(0.1)


def test_the_learning_rate_warms_up_and_ends_near_zero():
    settings = TrainSettings(epochs=5, warmup_epochs=1, learning_rate=0.4)
    rates = [learning_rate(settings, step, 4) for step in range(20)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert rates[12] == pytest.approx(0.2)
    assert sorted(rates[4:], reverse=True) == rates[4:]
    assert 0 < rates[-1] < 0.01
