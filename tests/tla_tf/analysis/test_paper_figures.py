"""Which classes the figures show, and figures of four networks on CIFAR-10's classes in colour."""

import types

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from robust_tf import data
from robust_tf.attacks import presets
from robust_tf.data.examples import Examples
from robust_tf.errors import RunError
from robust_tf.threat_model import ThreatModel
from tla_tf.analysis.analysis_tables import table2
from tla_tf.analysis.analyzed_run import AnalyzedRun, CannotBeShown
from tla_tf.analysis.confused_classes import attacked_class, class_title, confused_pair
from tla_tf.analysis.embedding_figures import figure1, figure2
from tla_tf.analysis.retrieval_figure import figure4
from tla_tf.analysis.tsne import tsne

METHODS = ("um", "at", "alp", "tla")
BIRD, DEER, TRUCK, AIRPLANE = 2, 4, 9, 0


@pytest.fixture(autouse=True)
def quick_tsne(monkeypatch):
    monkeypatch.setattr("tla_tf.analysis.tsne.ITERATIONS", 250)


class Run(types.SimpleNamespace):
    """What the figures read of an `AnalyzedRun`: 20 images a class, `turned` maps the attacked."""

    def __init__(self, method, turned, dataset="cifar10"):
        info = data.open(dataset).info
        labels = np.tile(np.arange(10), 20)
        rng = np.random.default_rng(METHODS.index(method))
        images = rng.integers(0, 256, (200, *info.image_shape)).astype(np.uint8)
        predictions = np.array([turned.get(k, k) for k in labels])
        natural = np.float32(5 * np.eye(12)[labels] + rng.random((200, 12)))
        super().__init__(
            name=method.upper(),
            method=method,
            info=info,
            test=Examples(images, labels),
            train=Examples(images, labels),
            preset=presets.get("pgd20", ThreatModel("8/255")),
            network=types.SimpleNamespace(name="wrn_32_10"),
            seed=0,
            natural=natural,
            train_embeddings=natural,
            adversarial=np.float32(5 * np.eye(12)[predictions] + rng.random((200, 12))),
            predictions=labels,
            adversarial_predictions=predictions,
            fooled=predictions != labels,
            recorded={},
        )

    confusions = AnalyzedRun.confusions

    def attacked_image(self, index):
        return self.test.images[index] / np.float32(255)

    def record(self, metric, value, n, **_):
        self.recorded[metric] = value

    def record_share(self, metric, counted, **_):
        self.recorded[metric] = np.mean(counted)


def four(turned, **settings):
    return [Run(method, turned, **settings) for method in METHODS]


PAPERS = {DEER: 7, TRUCK: BIRD, AIRPLANE: TRUCK}


def test_the_classes_of_the_paper_are_shown_where_they_occur():
    runs = four(PAPERS)
    assert attacked_class(runs) == DEER
    assert confused_pair(runs, "figure2") == (TRUCK, BIRD)
    assert confused_pair(runs, "figure4") == (AIRPLANE, TRUCK)
    assert confused_pair(four({3: 5}), "figure2") == (3, 5)
    with pytest.raises(RunError, match="UM, AT, ALP, TLA"):
        confused_pair(four({}), "figure2")


def test_class_titles():
    assert class_title(data.open("cifar10").info, DEER) == "deer"
    assert [class_title(data.open(name).info, 4) for name in ("digits", "mnist")] == ["digit 4"] * 2
    assert attacked_class(four({3: 5}, dataset="digits")) == 3


@pytest.mark.parametrize(
    "make, subject",
    [
        (figure1, "deer: natural and attacked images (t-SNE)"),
        (figure2, "truck, attacked, taken for bird (t-SNE)"),
        (figure4, "airplane, test image 0: nearest training images"),
    ],
    ids=["figure1", "figure2", "figure4"],
)
def test_titles_of_four_panels_say_what_was_measured(make, subject):
    figure, plotted = make(four(PAPERS))
    measured = "cifar10, wrn_32_10, pgd20, linf eps=8/255, n=200"
    assert figure.get_suptitle() == f"{subject}\n{measured}"
    panels = [axis.get_title() for axis in figure.axes[:4]]
    if figure.subfigs:
        panels = [part.get_suptitle() for part in figure.subfigs]
        plotted = plotted["neighbours"]
    assert panels == list(plotted) == ["UM", "AT", "ALP", "TLA"]


def test_figure_4_shows_colour_images_and_their_nearest():
    figure, plotted = figure4(four(PAPERS))
    found = plotted["neighbours"]["TLA"]
    assert found["natural"]["indices"][0] == plotted["query"] == 0
    assert set(found["natural"]["labels"]) == {AIRPLANE}
    assert set(found["attacked"]["labels"]) == {TRUCK}
    shown = figure.subfigs[3].axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, four(PAPERS)[3].test.images[0] / 255)


def test_points_are_told_apart_without_colours():
    turned = {DEER: 7}
    runs = four(turned)
    for wrong, run in enumerate(runs):  # images of one class fall into several
        deer = np.flatnonzero(run.test.labels == DEER)
        run.adversarial_predictions[deer] = np.resize([7, 5, 3, 1, 0, 9, 8], len(deer))
    for figure, _ in (figure1(runs), figure2(four(PAPERS))):
        (keys,) = figure.legends
        shapes = [path.get_paths()[0].vertices.tobytes() for path in keys.findobj(PathCollection)]
        assert len(shapes) > 2 and len(set(shapes)) == len(shapes)


def test_classes_that_no_attacked_image_falls_into_are_left_out_and_counted():
    (run,) = runs = four({DEER: 7, TRUCK: BIRD})[:1]
    table2(runs)
    assert run.recorded["separation ratio: classes left out"] == 8
    assert run.recorded["separation ratio, true class: classes left out"] == 8
    assert run.recorded["separation ratio"] > 0


def test_the_companion_of_all_attacked_images_has_every_class():
    (run,) = runs = four({DEER: 7, TRUCK: BIRD})[:1]
    table2(runs)
    only_fooled = run.recorded["separation ratio, true class"]
    run.recorded.clear()
    table2(runs, all_adv=True)
    name = "separation ratio, true class, all attacked"
    assert run.recorded[f"{name}: classes left out"] == 0
    # Eight of ten classes are where they were, with a ratio near 1.
    assert 0.9 < run.recorded[name] < only_fooled
    assert "separation ratio, true class" not in run.recorded


@pytest.mark.parametrize("length", [0, 1])
def test_a_collapsed_network_is_said(length):
    """Zeros, of dead units, would crash scikit-learn and the process."""
    run = Run("at", {4: 1})
    run.natural = run.adversarial = np.full((200, 12), length, np.float32)
    with pytest.raises(
        CannotBeShown, match="AT has collapsed: all embeddings are parallel or zero"
    ):
        figure1([run])


def test_points_of_tsne_do_not_depend_on_the_number_of_threads(monkeypatch):
    embeddings = np.random.default_rng(0).random((60, 8))
    monkeypatch.setattr("tla_tf.analysis.tsne.ITERATIONS", 300)
    alone = tsne(embeddings, seed=0)
    monkeypatch.setattr("tla_tf.analysis.tsne.POINTS_PER_THREAD", 20)
    np.testing.assert_array_equal(tsne(embeddings, seed=0), alone)
