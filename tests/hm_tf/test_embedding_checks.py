"""The checks pass where all is well, and bite where something is wrong."""

import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags
from ranking_results import attacked
from small_embedding import small_images, small_network

from hm_tf import flags
from hm_tf.evaluation import embedding_checks
from hm_tf.evaluation.closing_evaluation import shared_fields
from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet, spread_queries
from hm_tf.evaluation.embedding_checks import (
    _stored,
    effective_directions,
    run_checks,
    score_stands,
)
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from robust_tf.attacks.pgd import PGD
from robust_tf.evaluation.records import append_results
from robust_tf.threat_model import ThreatModel
from robust_tf.training.run_folder import RunFolder

FACTS = {"dataset": "small", "method": "N/A[R]", "training_seed": 0, "precision": "float32"}
EPS = 0.15
LONG = PGD(ThreatModel(EPS), 8, EPS / 4)


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
    "tiny": ((), PGD(ThreatModel(EPS), 1, EPS / 4)),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """case -> name of the check -> `Check`; each case is run once."""
    found = {}

    def verdicts(case):
        if case not in found:
            layers, pgd = CASES[case]
            folder = tmp_path_factory.mktemp(case)
            found[case] = run(folder, [layer() for layer in layers], pgd)
        return found[case]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding_checks, "RESTARTS", 2)
        patch.setattr(embedding_checks, "R1_ATTACKS", ("ES",))
        yield verdicts


def run(folder, before, pgd):
    network, images = small_network(before), small_images(24)
    test_set = EmbeddedTestSet(network, images, batch_size=24)
    about = shared_fields(network, seed=0, **FACTS)
    whole = RankingEvaluation(network, test_set, pgd, about, RunFolder(folder), batch_size=24)
    found = run_checks(whole.of_queries(test_set.queries), whole, [])
    return {check.name: check for check in found}


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
    assert verdicts(case)[name].status == "red"


def test_advice_names_what_the_command_has(verdicts):
    values = absl_flags.FlagValues()
    flags.define_evaluate(values)
    advice = " ".join(check.advice for check in verdicts("healthy").values())
    named = re.findall(r"--(\w+)", advice)
    assert {"eval_steps", "eval_step_size", "strength", "attacks"} <= set(named) <= set(values)
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


def stored_row(folder, eps, strength, weights="abc"):
    threat = {"eps": eps, "norm": "linf", "lower": 0.0, "upper": 1.0}
    row = attacked(strength=strength, threat_model=threat, weights_hash=weights)
    append_results(folder.results, row)


def test_what_was_measured_before_counts(tmp_path):
    network, images = small_network(), small_images(24)
    about = shared_fields(network, seed=0, **FACTS)
    test_set, folder = EmbeddedTestSet(network, images, batch_size=24), RunFolder(tmp_path)
    here = RankingEvaluation(network, test_set, LONG, about, folder, batch_size=24)
    assert _stored(here) == []
    stored_row(folder, 2 * EPS, "protocol", about["weights_hash"])
    stored_row(folder, EPS, "protocol", "of another network")
    assert _stored(here) == []
    assert score_stands(_stored(here), test_set).figure == "not run"
    stored_row(folder, EPS, "worst", about["weights_hash"])
    assert "lowest ERS 33.5 (compat, worst)" in score_stands(_stored(here), test_set).figure


def test_directions_of_the_variance():
    rng = np.random.default_rng(0)
    assert effective_directions(rng.normal(size=[4000, 5])) == pytest.approx(5, abs=0.1)
    line = np.outer(rng.normal(size=50), [1.0, 2.0, 3.0])
    assert effective_directions(line) == pytest.approx(1)
    assert effective_directions(np.ones([5, 3])) == 1


def test_queries_are_spread_over_the_test_set():
    assert spread_queries(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread_queries(np.arange(3), 4).tolist() == [0, 1, 2]
