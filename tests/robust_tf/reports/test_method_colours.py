"""One colour per method: fixed, unlike others of a picture, the same in figures and on pages."""

import pathlib
import re

from robust_tf.reports import page
from robust_tf.reports.bars import Bar, bars
from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.method_colours import COLOURS, METHODS, places


def test_a_method_has_its_colour_whatever_stands_beside_it():
    assert places(["TLA", "AT"]) == {"TLA": 3, "AT": 0}
    assert places(["AT seed 1", "TLA (2 seeds)"]) == {"AT seed 1": 0, "TLA (2 seeds)": 3}
    found = places(["HM[R,M]", "HM[S,gLGA]&ICS", "ACT[R]", "HM[S,gLGA]", "EST[R]", "N/A[R]"])
    assert list(found.values()) == [4, 3, 0, 5, 2, 6]


def test_no_two_names_of_a_picture_look_alike_while_there_are_colours():
    names = ["TLA, eps 0.1", "TLA", "TLA, eps 0.2", "other", "HM[S,gLGA]&ICS", "x", "y"]
    found = places(names)
    assert list(found) == names and found["TLA"] == METHODS["TLA"]
    assert len({*found.values()}) == len(names)
    many = [f"other {number}" for number in range(len(COLOURS) + 1)]
    assert {*places(many).values()} == {*range(len(COLOURS))}


def test_all_methods_of_the_papers_figures_differ():
    figures = (
        ["N/A[R]", "ACT[R]", "ACT[S]", "EST[R]", "HM[R,M]", "HM[S,M]", "HM[S,gLGA]"],
        ["HM[S,M]", "HM[S,-0.1]", "HM[S,gLGA]", "HM[S,gLGA]&ICS", "HM[R,M]&ICS", "HM[S,M]&ICS"],
    )
    for names in figures:
        found = places(names)
        assert len({*found.values()}) == len(names)
        assert found == {name: places([name])[name] for name in names}  # alone or in company


def test_figures_bars_and_the_style_sheet_agree():
    style = pathlib.Path(page.__file__).with_suffix(".css").read_text()
    declared = re.findall(r"--s(\d+): (#[0-9a-f]{6})", style)
    assert declared == [(str(i), colour.lower()) for i, colour in enumerate(COLOURS)]
    figure = line_figure("x", [Panel("x", "y", [Line("TLA", [0, 1], [1, 2])])])
    assert figure.axes[0].lines[0].get_color() == COLOURS[METHODS["TLA"]]
    drawn = bars({"pgd": [Bar(50.0, None, None, "50"), None]}, ["TLA", "AT"])
    assert re.findall(r'class="s(\d)"', drawn) == ["3", "0", "3"]
