"""Lines of progress where there is no terminal."""

from io import StringIO

from rich.console import Console

from nasturtium.cli.progress import PlainLines


def test_the_end_of_a_stage_is_told_once_however_often_it_is_reached() -> None:
    shown = StringIO()
    lines = PlainLines(Console(file=shown))
    for stage in ("supernet", "search"):
        lines.start(stage, 2, "seconds")
        for done in (1, 2, 2, 2):  # trials go on within the last second of a budget
            lines.advance(done)
    assert [line.split(",")[0] for line in shown.getvalue().splitlines()] == [
        "supernet 2/2 seconds",
        "search 2/2 seconds",
    ]
