"""The tables and the chart of the benchmarks show the published runs, and the figures of scale.md
follow from them."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from bench import chart
from bench import documents
from bench import published
from bench import scale
from bench.report import Row
from bench.targets import TARGETS

AGAIN = "`.venv/bin/python -m bench.documents` writes it from bench/published/"


@pytest.fixture(scope="module")
def runs():
    return published.load()


@pytest.mark.parametrize("path", documents.DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_of_a_document_show_the_published_runs(runs, path):
    text = path.read_text()
    assert documents.filled(text, documents.DOCUMENTS[path], runs) == text, AGAIN


def test_the_chart_shows_the_published_runs(runs):
    assert chart.draw(runs) == documents.CHART.read_text(), AGAIN


def test_another_result_changes_the_tables_the_chart_and_the_figures(runs):
    changed = [replace(run, rows=[doubled(row) for row in run.rows]) for run in runs]
    for path, sections in documents.DOCUMENTS.items():
        text = path.read_text()
        assert documents.filled(text, sections, changed) != text
    assert chart.draw(changed) != documents.CHART.read_text()


def test_two_whole_runs_are_published_with_every_target_measured(runs):
    assert len(runs) == published.RUNS == 2
    assert len({run.time for run in runs}) == 2
    for target in TARGETS:
        assert len(published.rows(runs, target.scenario, target.row)) == 2, target.what


def test_a_document_without_a_place_for_a_table_is_refused(runs):
    with pytest.raises(LookupError, match="not one place"):
        documents.filled("# Benchmarks\n", documents.DOCUMENTS[documents.BENCHMARKS], runs)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ([], "not measured"),
        ([1.1, 1.15], "reached"),
        ([1.1, 1.4], "held"),
        ([1.4, 1.41], "held in 1 of 2"),
        ([1.5, 2], "not held"),
    ],
)
def test_a_bound_holds_if_every_run_is_within_it(measured, text):
    assert documents.verdict(TARGETS[0], measured) == text


def test_the_chart_is_well_formed_and_has_a_bar_for_each_target_before_and_now(runs):
    namespace = "{http://www.w3.org/2000/svg}"
    drawn = ElementTree.fromstring(chart.draw(runs))
    bars = [each.get("class") for each in drawn.iter(f"{namespace}rect")]
    ratios = sum(target.unit == "×" for target in TARGETS)
    assert bars.count("now") == ratios + 1  # and ours among the other servers
    assert len(drawn.findall(f"{namespace}line[@class='hold']")) == ratios


def test_ten_times_the_agents_need_ten_times_of_everything(runs):
    of, a = scale.costs(runs), scale.Assumptions()
    one, ten = scale.needs(1_000, of, a), scale.needs(10_000, of, a)
    assert ten == pytest.approx([10 * need for need in one])


def test_an_account_at_its_limit_fills_its_shard(runs):
    of, a = scale.costs(runs), scale.Assumptions()
    agents = scale.largest_account(of, a)
    assert scale.account(agents, of, a)[2] == pytest.approx(a.share, rel=0.01)
    assert scale.account(2 * agents, of, a)[2] > a.share


def test_the_order_of_what_breaks_first_is_that_of_the_figures(runs):
    table = scale.of_first(runs)
    figures = [
        float(found.replace(" ", "")) for found in re.findall(r"\| ([\d ]+) \|$", table, re.M)
    ]
    assert len(figures) == 6
    assert figures == sorted(figures)


def doubled(row: Row) -> Row:
    return replace(row, value=2 * row.value)
