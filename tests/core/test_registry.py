import subprocess
import sys

import pytest

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.core.registry import Info, Registry


def registry() -> Registry:
    return Registry("core", "animal")  # a room whose files register nothing here


def test_things_are_found_by_name_with_what_they_say_about_themselves():
    animals = registry()

    @animals.register("zebra", summary="striped", paper="https://example.org")
    def zebra() -> None: ...

    animals.register("ant", summary="small")(len)
    assert animals.get("zebra") is zebra
    assert animals.names() == ("ant", "zebra")
    assert animals.info("zebra") == Info("zebra", "striped", "https://example.org")


def test_a_name_taken_twice_names_both_places():
    animals = registry()

    def cat() -> None: ...

    def other() -> None: ...

    animals.register("cat", summary="")(cat)
    animals.register("cat", summary="")(cat)  # the same one again, as after a reload
    with pytest.raises(ValueError, match=r"animal 'cat' is registered twice: by .*\.cat and by .*\.other"):
        animals.register("cat", summary="")(other)


def test_an_unknown_name_suggests_the_nearest_or_all():
    animals = registry()
    animals.register("elephant", summary="")(len)
    animals.register("ant", summary="")(max)
    with pytest.raises(UsageError, match="unknown animal 'elefant': did you mean 'elephant'"):
        animals.get("elefant")
    with pytest.raises(UsageError, match="known: ant, elephant"):
        animals.info("xyz")
    assert did_you_mean("x", []) == "known: none"


def test_a_room_is_listed_on_first_use():
    """Nobody imports the files of the spaces here."""
    code = "from nasturtium.spaces.base import SPACES; print(*SPACES.names())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"darts", "nasbench201"} <= set(run.stdout.split())


def test_other_packages_are_asked_for_theirs(monkeypatch):
    animals = registry()

    class Entry:
        def load(self) -> None:
            animals.register("guest", summary="")(len)

    monkeypatch.setattr(
        "nasturtium.core.registry.entry_points", lambda group: [Entry()] if group == "nasturtium.core" else []
    )
    assert animals.names() == ("guest",)
