"""The checks pass where all is well, and bite where something is wrong."""

import collections
import contextlib
import dataclasses
import itertools
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly
from ranking_results import attacked
from small_embedding import small_images, small_network

from hm_tf.evaluation import embedding_checks
from hm_tf.evaluation.embedding_checks import (
    _stored,
    effective_directions,
    run_checks,
    score_stands,
)
from hm_tf.evaluation.evaluation_conditions import conditions_of_evaluation, conditions_of_record
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from hm_tf.options import EVALUATE
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.data.examples import Examples
from robust_tf.results.result import append_results, shared_fields
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel

FACTS = {"dataset": "small", "method": "N/A[R]", "training_seed": 0, "precision": "float32"}
EPS = 0.15
LONG = PGD(ThreatModel(EPS), 8, EPS / 4, random_start=False)


class Rounded(keras.layers.Layer):
    """Without a gradient."""

    def call(self, x):
        return tf.round(8 * x) / 8


class Noisy(keras.layers.Layer):
    """Random in every pass."""

    def call(self, x):
        return x + tf.random.normal(tf.shape(x), stddev=0.1)


class Collapsing(keras.layers.Layer):
    """All images look nearly the same."""

    def call(self, x):
        return 0.5 + 0.01 * x


CASES = {
    "healthy": ((), LONG),
    "collapsed": ((Collapsing,), LONG),
    "rounded": ((Rounded,), LONG),
    "noisy": ((Noisy,), LONG),
    "tiny": ((), PGD(ThreatModel(EPS), 1, EPS / 4, random_start=False)),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The function (case, last) -> {name: `Check`}: those up to the last, each is made once."""
    running, found = {}, collections.defaultdict(dict)

    def verdicts(case, last=None):
        layers, pgd = CASES[case]
        with contextlib.nullcontext() if case == "healthy" else eagerly():
            if case not in running:
                folder = tmp_path_factory.mktemp(case)
                running[case] = checks_of(folder, [layer() for layer in layers], pgd)
            while last not in found[case] and (check := next(running[case], None)):
                found[case][check.name] = check
        return found[case]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding_checks, "RESTARTS", 2)
        patch.setattr(embedding_checks, "R1_ATTACKS", ("ES",))
        yield verdicts


def checks_of(folder, before, pgd):
    network, images = small_network(before), small_images(24)
    about = shared_fields(network, seed=0, **FACTS)
    whole = RankingEvaluation(network, images, pgd, about, RunFolder(folder), batch_size=24)
    return run_checks(whole.of_queries(whole.test_set.queries), whole, [])


def test_a_healthy_network(verdicts):
    found = {name: check.status for name, check in verdicts("healthy").items()}
    assert len(found) == 11
    del found["restarts"]
    assert found.pop("the score means something") == "amber"
    assert set(found.values()) == {"green"}


@pytest.mark.parametrize(
    "case, name",
    [
        ("collapsed", "embeddings are spread"),
        ("rounded", "input gradients"),
        ("rounded", "unbounded attack succeeds"),
        ("noisy", "forward pass is deterministic"),
        ("tiny", "iterated attack beats one step"),
        ("healthy", "restarts"),  # they help against every network as small as this
        ("tiny", "converged"),
    ],
)
def test_they_bite(verdicts, case, name):
    assert verdicts(case, name)[name].status == "red"


def test_advice_names_what_the_command_has(verdicts):
    advice = " ".join(check.advice for check in verdicts("healthy").values())
    named = re.findall(r"--(\w+)", advice)
    assert (
        {"eval_steps", "eval_step_size", "strength", "attacks"}
        <= set(named)
        <= EVALUATE.flags.keys()
    )
    assert not re.search("apgd|square|standard|substitute", advice)


def test_the_score_of_a_collapsed_network():
    retrieval = types.SimpleNamespace(
        recall_at=lambda k: np.array([0.0]), average_precision=np.array([0.0])
    )
    result = types.SimpleNamespace(
        attack="ERS", value=0.297, attack_settings={"mode": "compat", "strength": "protocol"}
    )
    for collapsed, status in ((True, "red"), (False, "green")):
        test_set = types.SimpleNamespace(collapsed=collapsed, retrieval=retrieval)
        found = score_stands([result], test_set)
        assert found.status == status and "ERS 29.7 (compat, protocol)" in found.figure


def evaluation_of(folder, network, images):
    about = shared_fields(network, seed=0, **FACTS)
    return RankingEvaluation(network, images, LONG, about, RunFolder(folder), batch_size=24)


def stored_row(here, settings=None, eps=EPS, strength="worst", **changed):
    """Ten columns and the score, as this evaluation measures them but for what is changed."""
    fields = {"n": len(here.test_set.queries), "weights_hash": here.about["weights_hash"]}
    fields["threat_model"] = {"eps": eps, "norm": "linf", "lower": 0.0, "upper": 1.0}
    own = {"steps": 24, "step_size": None, "beside": f"8 steps of {EPS / 4:g}", **(settings or {})}
    rows = attacked(strength=strength, **{**fields, **changed})
    return [dataclasses.replace(r, attack_settings={**r.attack_settings, **own}) for r in rows]


OTHERWISE = {
    "eps": {"eps": 2 * EPS},
    "network": {"weights_hash": "of another network"},
    "queries": {"n": 20},
    "gallery": {"settings": {"gallery": 30}},
    "seed": {"seed": 3},
    "precision": {"precision": "mixed_bfloat16"},
    "steps": {"settings": {"beside": f"16 steps of {EPS / 4:g}"}},
}


def test_what_was_measured_before_on_the_same_counts(tmp_path):
    here = evaluation_of(tmp_path, small_network(), small_images(24))
    assert _stored(here) == []
    for other in OTHERWISE.values():
        append_results(here.folder.results, stored_row(here, **other))
    assert _stored(here) == []
    assert score_stands(_stored(here), here.test_set).figure == "not run"
    append_results(here.folder.results, stored_row(here))
    figure = score_stands(_stored(here), here.test_set).figure
    assert "lowest ERS 33.5 (compat, worst)" in figure
    part = here.of_queries(here.test_set.queries[:5])
    append_results(here.folder.results, stored_row(part, {"gallery": 24}))
    assert {(r.n, r.attack_settings["gallery"]) for r in _stored(part)} == {(5, 24)}


def test_an_evaluation_knows_what_its_records_will_say(tmp_path, monkeypatch):
    images = small_images(24)
    alone = np.append(images.labels[:-1], 9).astype(np.int32)  # in the gallery, but no query
    here = evaluation_of(tmp_path, small_network(), Examples(images.images, alone))

    def found(self, name, mode, strength=None, source=None):
        return [{"objective": np.ones(n), "cosine": np.ones(n)}]

    monkeypatch.setattr(RankingEvaluation, "runs", found)
    for evaluation, n in ((here, 23), (here.of_queries(here.test_set.queries[:5]), 5)):
        records = evaluation.protocol_row(["TMA"], "fixed")
        records += evaluation.strong_rows(["TMA"], "fixed", 3)
        assert {r.attack_settings["strength"] for r in records} == {"protocol", "strong", "worst"}
        assert {conditions_of_record(record) for record in records} == {
            conditions_of_evaluation(evaluation)
        }
        assert conditions_of_evaluation(evaluation).n == n


def broken_by_restarts(part, pgd, strength="protocol", restarts=1):
    """Every query keeps R@1 but under random starts."""
    return np.full(len(part.test_set.queries), strength != "restarts")


def test_only_a_worst_case_of_the_same_softens_the_restarts(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_checks, "_recall", broken_by_restarts)
    here = evaluation_of(tmp_path, small_network(), small_images(24))

    def restarts(own=()):
        found = run_checks(here, here, [*own, *_stored(here)])
        return next(check for check in found if check.name == "restarts")

    append_results(here.folder.results, stored_row(here, n=20))
    assert restarts().status == "red" and "measure --strength=strong" in restarts().advice
    # The worst of other attacks says nothing of ES.
    append_results(here.folder.results, [r for r in stored_row(here) if r.attack != "ES"])
    assert restarts().status == "red"
    append_results(here.folder.results, stored_row(here))
    assert restarts().status == "amber" and "quote the row worst" in restarts().advice
    ensemble = restarts(stored_row(here, strength="standard"))
    assert ensemble.status == "amber" and "quote the row standard" in ensemble.advice


def test_rounding_between_batches_is_no_randomness():
    steady = np.random.default_rng(0).normal(size=[4, 3])
    probe = types.SimpleNamespace(
        rows=np.arange(4),
        loop={"batch_size": 4},
        gradient_norms=lambda ball: np.ones(4),
        outputs=lambda **loop: steady,
        shuffled_outputs=lambda **loop: steady + 1e-7,
    )
    _, found, *_ = itertools.islice(embedding_checks._probed(probe, LONG), 2)
    assert (found.name, found.status) == ("forward pass is deterministic", "green")


def test_the_unbounded_attack_has_a_larger_ball_in_every_norm(tmp_path, monkeypatch):
    balls = {}

    def recall(part, pgd, strength="protocol", restarts=1):
        balls[strength] = pgd.threat_model
        return np.ones(len(part.test_set.queries), bool)

    monkeypatch.setattr(embedding_checks, "_recall", recall)
    here = evaluation_of(tmp_path, small_network(), small_images(24))
    here.pgd = PGD(ThreatModel(1.0, "l2"), 8, 0.5, random_start=False)
    next(check for check in run_checks(here, here, []) if check.name == "unbounded attack succeeds")
    half = 0.5 * np.sqrt(np.prod(here.test_set.examples.image_shape))
    assert (balls["protocol"].eps, balls["unbounded"].eps) == (1.0, pytest.approx(half))


def test_every_check_is_of_the_queries_it_is_recorded_with(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_checks, "_recall", broken_by_restarts)
    monkeypatch.setattr(embedding_checks, "_probed", lambda probe, threat: ())
    here = evaluation_of(tmp_path, small_network(), small_images(24))
    counts = []

    def runs(self, name, mode):
        counts.append(len(self.test_set.queries))
        return [{"R@1": np.ones(counts[-1])}]

    monkeypatch.setattr(RankingEvaluation, "runs", runs)
    found = list(run_checks(here.of_queries(here.test_set.queries[:5]), here, []))
    assert found[-1].name == "one attack is close to all"
    assert counts == [5] * len(embedding_checks.R1_ATTACKS)


def test_directions_of_the_variance():
    rng = np.random.default_rng(0)
    assert effective_directions(rng.normal(size=[4000, 5])) == pytest.approx(5, abs=0.1)
    line = np.outer(rng.normal(size=50), [1.0, 2.0, 3.0])
    assert effective_directions(line) == pytest.approx(1)
    assert effective_directions(np.ones([5, 3])) == 1


def test_queries_are_spread_over_the_test_set():
    assert spread_rows(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread_rows(np.arange(3), 4).tolist() == [0, 1, 2]
