import pytest

from nasturtium.core.config import SearchConfig, read_options
from nasturtium.core.errors import UsageError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("o.yaml", "budget: 10m\nimage-size: 16\ntraining: {epochs: 3}\n"),
        ("o.yml", "{budget: 10m, image_size: 16, training: {epochs: 3}}"),
        ("o.toml", 'budget = "10m"\nimage-size = 16\n[training]\nepochs = 3\n'),
    ],
)
def test_options_are_read_alike_from_each_format(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_options(tmp_path / name) == {"budget": "10m", "image_size": 16, "training": {"epochs": 3}}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("o.yaml", "a: [", "not well-formed"),
        ("o.yaml", "!!python/object/apply:os.getcwd []", "not well-formed"),
        ("o.toml", "a = ", "not well-formed"),
        ("o.yaml", "- a\n- b\n", "must hold options"),
        ("o.json", "{}", "toml, .yaml or .yml"),
    ],
)
def test_files_that_hold_no_options_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        read_options(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"can't read the options in .*none\.yaml"):
        read_options(tmp_path / "none.yaml")


def test_a_run_without_a_name_is_called_after_what_is_asked():
    assert SearchConfig.parse({"data": "photos/cats.npz", "seed": 3}).name == "cats-darts-darts-3"
    assert SearchConfig.parse({"run": "mine"}).name == "mine"


def test_unknown_options_suggest_the_nearest():
    with pytest.raises(UsageError, match="'budgett': did you mean 'budget'"):
        SearchConfig.parse({"budgett": "3m"})
