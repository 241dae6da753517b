"""Figures of four networks: one scale, looks that differ without colour, gray and colour, SVG."""

import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from robust_tf.reports.data_uri import description
from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.neighbour_figure import OF_CLASS, Row, neighbour_figure
from robust_tf.reports.panels import BLUE, VERMILLION, legend_below, panels, save_figure
from tla_tf.analysis.detection_figure import roc_figure
from tla_tf.analysis.scatter_figure import Group, Look, Scatter, scatter_figure

NETWORKS = ("UM", "AT", "ALP", "TLA")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_names_with_dollars_are_no_formulas(ending, tmp_path):
    figure, axes = panels(r"$\frac$ or $5", [r"$x^{$"])
    axes[0].plot([0, 1], label="$_$")
    legend_below(figure, axes)
    save_figure(figure, tmp_path / f"figure.{ending}")
    assert (tmp_path / f"figure.{ending}").stat().st_size > 1000


def scatter(networks=NETWORKS):
    rng = np.random.default_rng(0)
    scatters = {
        name: Scatter(
            [
                Group(Look("natural", "gray", "o"), rng.normal(size=(9, 2)) * 10**size),
                Group(Look("in no panel", "red", "<"), np.zeros((0, 2))),
                Group(Look(f"attacked {name}", "red", "<"), np.zeros((1, 2))),
            ],
            np.ones((3, 2, 2)),
            f"{size} of 9",
        )
        for size, name in enumerate(networks)
    }
    return scatter_figure("title", scatters)


def roc(networks=NETWORKS):
    rates = np.linspace(0, 1, 5)
    panel = {name: (rates, rates ** (1 + k), 0.5 + k / 10) for k, name in enumerate(networks)}
    return roc_figure("title", {"pgd": panel, "pgd, knowing": panel}, ("false", "true"))


def neighbours(channels=3):
    rng = np.random.default_rng(0)
    images = rng.random((4, 5, 5, channels))
    row = Row("natural", images[0], images[1:], ["cat", "cat", "dog"], np.array([1, 1, 0], bool))
    return neighbour_figure("title", {name: [row, row] for name in NETWORKS}, OF_CLASS)


def lines(networks=NETWORKS):
    shown = [Line(name, [0, 1], [1, order]) for order, name in enumerate(networks)]
    return line_figure("title", [Panel("step", "accuracy", shown)])


FIGURES = pytest.mark.parametrize(
    "make", [scatter, roc, neighbours, lines], ids=lambda m: m.__name__
)
PAGE = 66 * 16 - 2 * 16 - 2 * 8 - 2  # pixels that page.css leaves to a picture
PHONE = 390 - 2 * 16 - 2 * 8 - 2
COLUMN = 3.25  # inches of a column of a paper
LONG = tuple(f"{name}, attack_objective full, triplet_warmup_steps 1000" for name in NETWORKS)


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_scatter_panels_are_filled_by_their_points_and_have_one_legend_of_what_is_there():
    figure = scatter()
    assert [axis.get_title() for axis in figure.axes] == list(NETWORKS)
    assert [axis.texts[0].get_text() for axis in figure.axes] == [f"{k} of 9" for k in range(4)]
    assert [len(axis.lines) for axis in figure.axes] == [3] * 4  # natural joined with attacked
    assert figure.get_label().startswith("UM: 9 natural, 1 attacked UM; AT: 9 natural")
    ((low, high),) = {tuple(map(float, axis.get_xlim())) for axis in figure.axes}
    assert {tuple(map(float, axis.get_ylim())) for axis in figure.axes} == {(low, high)}
    for axis in figure.axes:
        points = np.concatenate([paths.get_offsets() for paths in axis.collections])
        assert np.abs(points).max() < high == -low < 1.3 * np.abs(points).max()
    assert legend(figure) == [
        "the same image",
        "natural",
        *(f"attacked {name}" for name in NETWORKS),
    ]


def test_curves_of_a_network_look_alike_in_all_panels_and_its_areas_are_named():
    figure = roc()
    assert [axis.get_title() for axis in figure.axes] == ["pgd", "pgd, knowing"]
    looks = [
        [(line.get_color(), line.get_linestyle()) for line in axis.lines[1:]]
        for axis in figure.axes
    ]
    assert looks[0] == looks[1] and len({colour for colour, _ in looks[0]}) == 4
    assert legend(figure)[1] == "AT: AUC 0.600 → 0.600"
    assert "AT: AUC 0.600, 0.600" in figure.get_label()


@pytest.mark.parametrize("channels", [1, 3])
def test_neighbours_are_framed_by_class_in_gray_and_in_colour(channels):
    figure = neighbours(channels)
    axes = [axis for part in figure.subfigs for axis in part.axes]
    assert len(axes) == 4 * 2 * 4
    shown = axes[0].images[0].get_array()
    assert shown.shape == ((5, 5, 3) if channels == 3 else (5, 5))
    frames = [to_hex(axis.spines["left"].get_edgecolor()).upper() for axis in axes[:4]]
    assert frames == ["#000000", BLUE, BLUE, VERMILLION]
    dashes = [axis.spines["left"].get_linestyle() for axis in axes[1:4]]
    assert dashes == ["-", "-", "--"]
    (keys,) = figure.legends
    drawn = [to_hex(patch.get_edgecolor()).upper() for patch in keys.get_patches()]
    assert drawn == [BLUE, VERMILLION] and legend(figure) == list(OF_CLASS.values())
    assert figure.get_label().startswith("UM: natural: cat, cat, dog; natural")


def test_long_names_of_classes_and_files_do_not_overlap():
    names = ["great white shark, white shark, man-eater", "n02123045_domestic_short_hair", "cat"]
    for count in (3, 10):
        images = np.zeros((count, 4, 4, 3))
        named = np.resize(names, count).tolist()
        row = Row(f"natural {names[0]},\npredicted cat", images[0], images, named, [None] * count)
        figure = neighbour_figure("title", {"AT": [row, row]})
        figure.draw_without_rendering()
        axes = figure.subfigs[0].axes
        ends = [axis.title.get_window_extent() for axis in axes[: count + 1]]
        assert all(left.x1 < right.x0 for left, right in zip(ends, ends[1:]))
        assert ends[0].x0 >= 0 and ends[-1].x1 <= figure.bbox.x1
        assert axes[count + 1].title.get_window_extent().y1 < axes[0].get_window_extent().y0
        assert names[0] in figure.get_label()


@FIGURES
def test_no_label_is_smaller_than_nine_pixels_on_a_page(make):
    figure = make()
    scale = min(1.0, PAGE / (96 * figure.get_figwidth()))
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 4
    assert min(text.get_fontsize() for text in texts) * 96 / 72 * scale >= 9


@pytest.mark.parametrize("make", [scatter, roc, lines])
def test_labels_are_legible_on_a_phone_and_in_the_column_of_a_paper(make):
    figure = make()
    smallest = min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text())
    assert smallest * 96 / 72 * PHONE / (96 * figure.get_figwidth()) >= 9
    assert smallest * COLUMN / figure.get_figwidth() >= 6


def test_a_png_is_sharp_in_the_column_of_a_paper(tmp_path):
    save_figure(lines(), tmp_path / "figure.png")
    assert Image.open(tmp_path / "figure.png").width >= 250 * COLUMN


@pytest.mark.parametrize("make", [scatter, roc, lines])
def test_long_names_stay_within_the_figure(make):
    figure = make(LONG)
    figure.draw_without_rendering()
    needed, page = figure.get_tightbbox(), figure.get_size_inches()
    assert needed.x0 > -0.05 and needed.x1 < page[0] + 0.05
    assert "".join(legend(figure)).replace("\n", " ").count("triplet_warmup_steps 1000") == 4


def test_lines_are_told_apart_without_colours_and_steps_are_whole():
    figure = lines()
    (axis,) = figure.axes
    assert len({line.get_marker() for line in axis.lines}) == len(NETWORKS)
    assert all(float(tick).is_integer() for tick in axis.get_xticks())
    close = [Line("AT", [0, 1, 2], [5.0, 5.1, 5.2], notes=("3", "5", "9"))]
    (axis,) = line_figure("title", [Panel("R@1", "ERS", close)]).axes
    sides = [text.xyann for text in axis.texts]
    assert sides[0] != sides[1] and sides[0] == sides[2]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_figure_keeps_its_description_in_its_file(ending, tmp_path):
    path = tmp_path / f"figure.{ending}"
    save_figure(roc(), path)
    assert description(path) == roc().get_label()
    save_figure(Figure(), path)
    assert description(path) == ""


@FIGURES
def test_svg_of_four_networks_has_nothing_outside_the_page(make, tmp_path):
    figure = make()
    path = tmp_path / "new" / "figure.svg"
    save_figure(figure, path)
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag.endswith("svg")
    # What needs more room than the page would be cut off.
    needed, page = figure.get_tightbbox(), figure.get_size_inches()
    assert needed.x0 > -0.05 and needed.y0 > -0.05
    assert needed.x1 < page[0] + 0.05 and needed.y1 < page[1] + 0.05
