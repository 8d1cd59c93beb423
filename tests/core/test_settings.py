import pytest
from pydantic import Field, model_validator

from nasturtium.core.errors import UsageError
from nasturtium.core.settings import Settings


class Oven(Settings):
    what = "oven settings"

    heat: int = Field(180, ge=0, le=300, description="degrees Celsius")
    minutes: float = Field(20, gt=0, description="time to bake")

    @model_validator(mode="after")
    def _not_burnt(self):
        if self.heat * self.minutes > 10_000:
            raise ValueError("heat and minutes together burn it")
        return self


def test_every_wrong_value_is_explained_at_once():
    with pytest.raises(UsageError) as error:
        Oven.parse({"heat": 400, "minutes": "long", "minuts": 3})
    lines = str(error.value).splitlines()
    assert lines[0] == "oven settings:"
    assert len(lines) == 4
    assert any("heat = 400: " in line and "300" in line and "(degrees Celsius)" in line for line in lines)
    assert any("minutes = 'long': " in line and "(time to bake)" in line for line in lines)
    assert any("there is no 'minuts': did you mean 'minutes'?" in line for line in lines)


@pytest.mark.parametrize("heat", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(heat):
    with pytest.raises(UsageError, match="minutes"):
        Oven.parse({"minutes": heat})


def test_a_rule_over_several_values_tells_its_reason():
    with pytest.raises(UsageError, match="heat and minutes together burn it$"):
        Oven.parse({"heat": 300, "minutes": 60})


def test_changes_leave_the_rest_and_are_checked_as_well():
    hot = Oven(heat=250)
    assert hot.changed({"minutes": 5}) == Oven(heat=250, minutes=5)
    with pytest.raises(UsageError, match="burn it"):
        hot.changed({"minutes": 50})
    with pytest.raises(UsageError, match="did you mean 'minutes'"):
        hot.changed({"minuts": 5})
