import base64
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from nasturtium.core.errors import StorageError
from nasturtium.core.registry import Info
from nasturtium.report.write import write_report
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.ledger import Ledger

EMPTY = ("br", "img", "meta")


class Page(HTMLParser):
    """Tags with their attributes, whether they are closed in order, and the text outside of style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def written(data, folder):
    return Page(write_report(data, folder).read_text(encoding="utf-8"))


def test_a_finished_run_has_all_of_a_report(data, tmp_path):
    page = written(data, tmp_path / "new" / "folder")
    assert "The search paid off. The found network is right about 98.00 % of the 400 test images" in page.text
    for part in (
        "96.00 % ± 1.00",
        "1.08 · 10¹⁸",
        "2 min 30 s",
        "residual CNN",
        data.command,
        "Genotype(normal",
    ):
        assert part in page.text
    assert "missing" not in {tag.get("class") for _, tag in page.tags}
    files = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert files == {
        "report.html",
        "architecture.json",
        "trials.csv",
        "verdict.png",
        "cell-1-normal.png",
        "cell-2-reduce.png",
        "search-curves.png",
        "probabilities-1-normal.png",
        "probabilities-2-reduce.png",
        "training-curves.png",
    }
    saved = (tmp_path / "new" / "folder" / "architecture.json").read_text(encoding="utf-8")
    assert Architecture.from_json(saved) == data.architecture


def test_the_page_needs_nothing_but_itself(data, tmp_path):
    path = write_report(data, tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    images = page.all("img")
    pngs = {p.read_bytes() for p in tmp_path.glob("*.png")}
    assert {base64.b64decode(i["src"].removeprefix("data:image/png;base64,")) for i in images} == pngs
    assert all(image["alt"] for image in images)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    style = re.search(r"<style>(.*?)</style>", path.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    ids = {tag["id"] for _, tag in page.tags if "id" in tag}
    for link in page.all("a"):
        target = link["href"]
        assert target == "https://arxiv.org/abs/1806.09055" or target.removeprefix("#") in ids


def test_a_run_without_verdict_says_so_and_shows_the_rest(data, tmp_path):
    page = written(replace(data, verdict=None, state="stopped", retrained=data.retrained[:2]), tmp_path)
    assert page.text.startswith("run-1 run-1 No verdict yet This run was interrupted.")
    assert "There is no verdict yet" in page.text
    assert not (tmp_path / "verdict.png").exists()
    assert (tmp_path / "training-curves.png").exists()
    assert (tmp_path / "cell-1-normal.png").exists()


def test_a_run_that_found_nothing_still_has_a_page(data, tmp_path):
    begun = replace(
        data,
        state="failed",
        error="the disk is full",
        verdict=None,
        architecture=None,
        genotype=None,
        search_curve=(),
        retrained=(),
        space_size=None,
        ledger=Ledger(()),
        command="",
        cells=(),
    )
    page = written(begun, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert "It says: the disk is full" in page.text
    assert [tag.get("class") for _, tag in page.tags].count("missing") == 6


def test_a_space_without_bound_is_called_so(data, tmp_path):
    space = SearchSpace([])
    text = written(replace(data, space_size=math.inf, search_space=space, search_curve=()), tmp_path).text
    assert "its networks may grow without bound." in text
    assert "0 decisions" not in text
    assert "unbounded" in text


def test_a_search_that_did_not_pay_off_says_so_first(data, tmp_path):
    sentence = (
        "The search did not pay off, an ordinary residual CNN is better: 90.00 % of the 400 test images."
    )
    verdict = replace(data.verdict, paid_off=False, sentence=sentence)
    page = written(replace(data, verdict=verdict, search_curve=()), tmp_path)
    assert page.text.startswith(
        "run-1 run-1 The search did not pay off, an ordinary residual CNN is better. The found network"
    )
    assert "verdict bad" in {tag.get("class") for _, tag in page.tags}


def test_decisions_outside_of_cells_are_in_a_table(data, tmp_path):
    space = SearchSpace([Decision("depth", (2, 3)), Decision("stages", ("a", "b", "c"), k=2)])
    arch = Architecture({"depth": 3, "stages": ("a", "c")})
    page = written(replace(data, search_space=space, architecture=arch, search_curve=()), tmp_path)
    assert "depth 3 stages a, c" in page.text


def test_names_of_strangers_stay_text(data, tmp_path):
    evil = "<script>alert(1)</script>$x$"
    space = SearchSpace([Decision(f"//{evil}/1<-0", (evil, "b"))])
    arch = space.sample(np.random.default_rng(0))
    named = replace(
        data,
        title=evil,
        command=evil,
        genotype=evil,
        method=Info(evil, evil, "javascript:alert(1)"),
        search_space=space,
        architecture=arch,
        search_curve=(),
        data=replace(data.data, name=evil, classes=(evil,)),
    )
    folder = tmp_path / "report"
    page = written(named, folder)
    assert not page.all("script")
    assert evil in page.text
    assert not [a for a in page.all("a") if "javascript" in a["href"]]
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_writing_again_replaces_and_leaves_no_scraps(data, tmp_path):
    data = replace(data, search_curve=())
    before = write_report(data, tmp_path).read_bytes()
    files = {p.name for p in tmp_path.iterdir()}
    assert write_report(data, tmp_path).read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == files


def test_a_folder_that_cannot_be_written_is_a_storage_error(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="can't be written"):
        write_report(data, tmp_path / "file" / "report")


def test_a_failed_write_leaves_the_earlier_file(data, tmp_path, monkeypatch):
    data = replace(data, search_curve=())
    path = write_report(data, tmp_path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(replace(data, title="other"), tmp_path)
    assert path.read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_report_needs_neither_torch_nor_pyplot():
    heavy = "[m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules]"
    code = f"import sys, nasturtium.report.write; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_many_decisions_outside_of_cells_are_drawn(data, tmp_path):
    space = SearchSpace([Decision(f"block{i}/kernel", (3, 5, 7), ordered=True) for i in range(12)])
    arch = space.sample(np.random.default_rng(0))
    written(replace(data, architecture=arch, search_space=space, cells=(), search_curve=()), tmp_path)
    assert (tmp_path / "decisions.png").exists()


def test_a_training_along_single_paths_is_not_told_as_a_mixture(data, tmp_path):
    curve = tuple(replace(epoch, probabilities={}) for epoch in data.search_curve)
    mixture, paths = (
        written(data, tmp_path / "a").text,
        written(replace(data, search_curve=curve), tmp_path / "b").text,
    )
    assert "How strongly the search favours an option" in mixture
    assert "How strongly the search favours an option" not in paths
    assert "Mean loss and accuracy of the paths that were trained" not in mixture
    assert "Mean loss and accuracy of the paths that were trained" in paths
