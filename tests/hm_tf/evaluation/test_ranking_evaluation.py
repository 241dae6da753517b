"""Batches, the store and the strengths, on a tiny network."""

import logging

import keras
import numpy as np
import pytest
from small_embedding import small_images, small_network

from hm_tf.evaluation import metric_evaluation, ranking_evaluation
from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet, mean_cosine
from hm_tf.evaluation.ranking_batch import Ranker
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from hm_tf.evaluation.ranking_records import strongest
from hm_tf.evaluation.substitute import Substitute
from hm_tf.ranking_attacks.registry import NAMES
from robust_tf import randomness
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.data.examples import Examples
from robust_tf.errors import RunError, UserError
from robust_tf.reports.outcomes import Outcomes
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.results.result import shared_fields, weights_hash
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

EPS = 0.05
FACTS = {"dataset": "small", "method": "N/A[R]", "training_seed": 0, "precision": "float32"}


def evaluation(folder, network=None, examples=None, seed=0, pgd=None, **settings):
    network = network or small_network()
    pgd = pgd or PGD(ThreatModel(EPS), 3, EPS / 2, random_start=False)
    about = shared_fields(network, seed=seed, **FACTS)
    settings = {"batch_size": 7, **settings}
    return RankingEvaluation(
        network, examples or small_images(), pgd, about, RunFolder(folder), **settings
    )


def strong(evaluated, name, restarts):
    """The protocol's run and the strong ones."""
    strength = AttackStrength.strong(evaluated.pgd, restarts)
    return evaluated.runs(name, "fixed") + evaluated.runs(name, "fixed", strength)


@pytest.fixture
def no_attack(monkeypatch):
    """Replaces compiled attacks by numbers that depend on the keys alone."""

    def numbers(attack, *others, **settings):
        names = ("objective", *attack.measures)

        def attack_batch(images, rows, keys):
            drawn = randomness.uniform([images.shape[0], len(names)], keys)
            return {name: drawn[:, place] for place, name in enumerate(names)}

        return attack_batch

    monkeypatch.setattr(ranking_evaluation, "compile_ranking_attack", numbers)


def same(first, second):
    assert first.keys() == second.keys()
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_the_size_of_the_batches_changes_nothing(tmp_path):
    whole = evaluation(tmp_path / "a", batch_size=24).runs("QA+", "fixed")[0]
    parts = evaluation(tmp_path / "b", batch_size=7).runs("QA+", "fixed")[0]
    np.testing.assert_allclose(parts["rank"], whole["rank"], atol=1e-6)
    np.testing.assert_allclose(parts["objective"], whole["objective"], atol=1e-5)
    assert parts["rank"].shape == (24,)


@pytest.mark.parametrize("name", ["CA-", "LTM"])
@EAGER
def test_strong_is_per_query_never_weaker_in_the_objective(tmp_path, name):
    runs = strong(evaluation(tmp_path, batch_size=24), name, 2)
    best = strongest(runs)["objective"]
    assert len(runs) == 3
    assert (best >= runs[0]["objective"]).all()
    assert (best > runs[0]["objective"] + 1e-4).any()


def test_what_is_stored_is_found_by_the_same_evaluation_only(tmp_path, no_attack):
    first = evaluation(tmp_path)
    found = first.runs("ES", "fixed")[0]
    assert first.stored == []
    again = evaluation(tmp_path)
    assert same(again.runs("ES", "fixed")[0], found) and again.stored == ["ES fixed protocol"]
    others = {
        "weights": {"network": small_network(seed=1)},
        "images": {"examples": small_images(seed=1)},
        "steps": {"pgd": PGD(ThreatModel(EPS), 2, EPS / 2, random_start=False)},
        "eps": {"pgd": PGD(ThreatModel(2 * EPS), 3, EPS / 2, random_start=False)},
        "seed": {"seed": 1},
        "fresh": {"fresh": True},
    }
    for change, settings in others.items():
        other = evaluation(tmp_path, **settings)
        other.runs("ES", "fixed")[0]
        assert other.stored == [], change


def test_clusterings_that_are_stored_are_not_computed_again(tmp_path, monkeypatch, capsys):
    """Those of 60,502 images in 11,316 classes take minutes each."""
    seeds, plain = [], metric_evaluation.clustering_nmi

    def counted(embeddings, labels, seed):
        seeds.append(seed)
        return plain(embeddings, labels, seed)

    monkeypatch.setattr(metric_evaluation, "clustering_nmi", counted)
    found = [evaluation(tmp_path).clean_row() for _ in range(2)]
    assert seeds == list(range(metric_evaluation.NMI_SEEDS)) and found[0] == found[1]
    assert "NMI: 100%" in capsys.readouterr().err
    evaluation(tmp_path, fresh=True).clean_row()
    assert len(seeds) == 2 * metric_evaluation.NMI_SEEDS


def test_embeddings_that_take_long_have_a_bar(monkeypatch, capsys):
    of_batch = metric_evaluation.embedding_of_batch(small_network())
    for seconds, progress, shown in ((1e-9, True, True), (1e-9, False, False), (60, True, False)):
        monkeypatch.setattr(metric_evaluation, "SOON", seconds)
        metric_evaluation.embed(of_batch, small_images(), 7, progress=progress)
        assert ("embeddings: 100%" in capsys.readouterr().err) == shown


def test_further_restarts_are_added_to_those_that_are_there(tmp_path, no_attack):
    two = strong(evaluation(tmp_path), "ES", 2)
    three = strong(evaluation(tmp_path), "ES", 3)
    assert all(same(old, new) for old, new in zip(two, three[:3]))
    assert not same(three[2], three[3])


def test_random_starts_follow_from_the_image(tmp_path, no_attack):
    """Neither the batch size nor the other queries change them."""
    whole = strong(evaluation(tmp_path / "a", batch_size=24), "LTM", 1)
    here = evaluation(tmp_path / "b", batch_size=5)
    few = strong(here.of_queries(here.test_set.queries[3::4]), "LTM", 1)
    for all_of_them, some in zip(whole, few, strict=True):
        np.testing.assert_array_equal(some["objective"], all_of_them["objective"][3::4])


def test_fewer_queries_find_what_is_stored_of_all(tmp_path, no_attack):
    here = evaluation(tmp_path, fresh=True)
    here.runs("TMA", "fixed")[0]
    some = here.of_queries(here.test_set.queries[:5])
    some.runs("TMA", "fixed")[0]
    assert some.stored == ["TMA protocol"]


def test_a_batch_that_is_lost_is_made_again_alike(tmp_path, no_attack):
    found = evaluation(tmp_path).runs("QA-", "fixed")[0]
    (path,) = tmp_path.glob("evaluation/*")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    again = evaluation(tmp_path)
    assert same(again.runs("QA-", "fixed")[0], found) and again.stored == []
    assert len(path.read_text().splitlines()) == len(lines)


def test_modes_are_run_once_where_they_do_not_differ(tmp_path):
    assert evaluation(tmp_path).attack("TMA", "compat").mode == "fixed"
    assert evaluation(tmp_path).attack("GTM", "compat").mode == "compat"
    twice = Examples(np.repeat(small_images(12).images, 2, axis=0), np.repeat(np.arange(4), 6))
    assert evaluation(tmp_path, examples=twice).attack("GTT", "compat").mode == "compat"


def test_one_trace_for_all_batches_and_restarts(tmp_path, monkeypatch):
    traces = []
    attack = evaluation(tmp_path).attack("TMA", "fixed")
    select = type(attack).select
    monkeypatch.setattr(type(attack), "select", lambda *given: traces.append(1) or select(*given))
    pgd = PGD(ThreatModel(EPS), 2, random_start=False)
    evaluation(tmp_path).runs("TMA", "fixed", AttackStrength(pgd, restarts=2))
    assert len(traces) == 1


def test_tensorflow_does_not_warn_of_tracing_all_attacks(tmp_path, monkeypatch):
    """One function for each attack looks to it like one that is traced again and again."""
    said, keep = [], logging.Handler()
    keep.emit = lambda record: said.append(record.getMessage())
    monkeypatch.setattr(logging.getLogger("tensorflow"), "handlers", [keep])
    here = evaluation(
        tmp_path, pgd=PGD(ThreatModel(EPS), 1, EPS, random_start=False), batch_size=24
    )
    for name in NAMES:
        here.runs(name, "compat" if name in ranking_evaluation.MODES_DIFFER else "fixed")
    assert not [line for line in said if "retracing" in line]


@EAGER
def test_transfer_is_made_on_the_other_network(tmp_path):
    here, network = evaluation(tmp_path), small_network(seed=1, dimension=3)
    there = EmbeddedTestSet(network, small_images(), batch_size=8)
    other = Substitute("other", Ranker.of(network, there), weights_hash(network))
    white = here.runs("ES", "fixed")[0]
    black = here.runs("ES", "fixed", source=other)[0]
    assert 0 < black["distance"].mean() < white["distance"].mean()


@EAGER
def test_no_ball_no_change(tmp_path):
    here = evaluation(tmp_path, pgd=PGD(ThreatModel(0.0), 2, 0.1, random_start=False))
    found = here.runs("ES", "fixed")[0]
    np.testing.assert_allclose(found["distance"], 0, atol=1e-6)
    np.testing.assert_array_equal(found["R@1"], here.test_set.retrieval.recall_at(1))


@EAGER
def test_values_that_are_not_finite_end_the_run(tmp_path):
    here = evaluation(tmp_path)
    for weight in here.ranker.network.weights:
        weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(RunError, match="TMA protocol: outputs of the network are not finite"):
        here.runs("TMA", "fixed")[0]


def test_an_image_alone_in_its_class_is_no_query():
    images = small_images(9, classes=4)  # class 0 has three images
    lonely = Examples(images.images, np.where(np.arange(9) == 8, 7, images.labels))
    test_set = EmbeddedTestSet(small_network(), lonely, batch_size=4)
    assert test_set.queries.tolist() == list(range(8)) and len(test_set) == 9
    assert "; 1 without another of their class: no queries" in str(test_set)
    three = Examples(images.images, np.array([0, 0, 0, 0, 1, 1, 7, 8, 9]))
    test_set = EmbeddedTestSet(small_network(), three, batch_size=4)
    assert "; 3 without another of their class: no queries" in str(test_set)


def test_what_fewer_queries_find_is_what_they_find_among_all(tmp_path):
    here = evaluation(tmp_path)
    some = here.of_queries(spread_rows(here.test_set.queries, 5))
    whole = here.runs("LTM", "fixed")[0]["objective"]
    found = some.runs("LTM", "fixed")[0]["objective"]
    np.testing.assert_allclose(found, whole[[0, 6, 12, 17, 23]], atol=1e-5)
    assert "; 5 of them are queries" in str(some.test_set)
    assert "queries" not in str(here.test_set)
    (rank,) = some.protocol_row(["TMA"], "fixed")
    assert (rank.n, rank.attack_settings["gallery"]) == (5, 24)
    clean = some.clean_row()
    assert {r.n for r in clean} == {24}
    outcomes = Outcomes(RecordedRun(tmp_path, clean, {}))
    recall, nmi = clean[0], clean[-1]
    np.testing.assert_array_equal(outcomes.of(recall)[0], here.test_set.retrieval.first_hit < 1)
    assert nmi.metric == "NMI" and outcomes.of(nmi) is None  # no mean over queries
    # The closing evaluation has attacked all queries, the record five of them.
    [before] = [r for r in here.of_queries(some.test_set.queries).protocol_row(["LTM"], "fixed")]
    assert len(outcomes.of(before)[0]) == 5


@pytest.mark.parametrize("size, said", [(99, True), (100, False)])
def test_a_gallery_of_which_one_percent_is_none(size, said):
    test_set = EmbeddedTestSet(small_network(), small_images(size), batch_size=50)
    assert ("draw the nearest one only" in str(test_set)) == said


@pytest.mark.parametrize(
    "examples, text",
    [
        (small_images(8, classes=1), "in 1 classes"),
        (small_images(4, classes=4), "of the 4 test images 0 have another one"),
        (small_images(4, classes=2), "at least 6"),
        (
            Examples(np.zeros([8, 5, 5, 1], np.uint8), np.arange(8) % 2),
            "5x5x1, the network takes 4",
        ),
    ],
)
def test_images_that_cannot_be_ranked(examples, text):
    with pytest.raises(UserError, match=text):
        EmbeddedTestSet(small_network(), examples, batch_size=8)


def test_embeddings_that_are_not_of_unit_length():
    image = keras.Input([4, 4, 1])
    vector = keras.layers.Dense(3)(keras.layers.Flatten()(image))
    with pytest.raises(UserError, match="not of length 1"):
        EmbeddedTestSet(keras.Model(image, {"embedding": vector}), small_images(), batch_size=8)


def test_the_mean_cosine_against_all_pairs():
    vectors = np.random.default_rng(0).normal(size=[6, 3])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [vectors[i] @ vectors[j] for i in range(6) for j in range(6) if i != j]
    assert mean_cosine(vectors) == pytest.approx(np.mean(pairs))
