"""Table 1 on six points whose hardest triplets are known, and as a command."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from hm_tf import analyze
from hm_tf.evaluation.sampler_hardness import MEAN, OF_MEANS, OF_TRIPLETS, sampler_hardness
from hm_tf.reporting.hardness_records import measured, recorded_hardness
from robust_tf.results.result import read_results

# hm.md 9.1: E6, and the hardness of its hardest triplets.
ANGLES = (0.0, 30.0, 20.0, 36.0, 150.0, 165.0)
HARDEST = (0.170342, 0.104035, -1.416289)


def batch(step, angles=ANGLES):
    angles = np.radians(angles)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = tf.constant([0, 0, 1, 1, 2, 2])
    return {"image": tf.constant(points, tf.float32), "label": labels, "step": tf.fill([6], step)}


def test_statistics_of_known_triplets():
    turned = (*ANGLES[:4], 150.0, 150.0)  # its third triplet is easier by the distance 4 to 5
    batches = [batch(0), batch(1, turned)]
    found = sampler_hardness(batches, tf.identity, margin=0.2, mode="fixed", seed=0)["hardest"]
    second = (*HARDEST[:2], HARDEST[2] - 2 * np.sin(np.radians(7.5)))
    means = np.mean(HARDEST), np.mean(second)
    assert found.triplets == 6
    assert found.mean == pytest.approx(np.mean(means), abs=5e-6)
    assert found.of_means == pytest.approx(np.var(means), abs=5e-6)
    assert found.of_triplets == pytest.approx(np.mean([np.var(HARDEST), np.var(second)]), abs=5e-6)


def test_all_samplers_see_the_same_batches():
    batches = [batch(step) for step in range(8)]
    found = sampler_hardness(batches, tf.identity, margin=0.2, mode="fixed", seed=0)
    assert {values.triplets for values in found.values()} == {24}
    assert found["random"].mean < found["hardest"].mean
    assert found["semihard"].of_triplets != found["random"].of_triplets


def test_batches_without_a_triplet_are_left_out():
    alone = {**batch(0), "label": tf.zeros([6], tf.int32)}
    found = sampler_hardness([alone, batch(1)], tf.identity, margin=0.2, mode="fixed", seed=0)
    assert found["hardest"].triplets == 3
    assert found["hardest"].mean == pytest.approx(np.mean(HARDEST), abs=5e-6)


def test_a_folder_that_cannot_be_written_is_said_before_any_work(
    finished_smoke, monkeypatch, capsys
):
    monkeypatch.setattr("hm_tf.runs.finished_run.FinishedRun.network", None)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert analyze.main(["analyze", f"--workdir={finished_smoke}"]) == 2
    assert f"{finished_smoke} is no folder to write to" in capsys.readouterr().err


def test_the_command(finished_smoke, tmp_path, capsys):
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    assert analyze.main(["analyze", f"--workdir={run}", "--batches=2"]) == 0
    said = capsys.readouterr().out
    present = read_results(run / "results.jsonl")[-1].weights_hash
    found = recorded_hardness(run, present)
    assert recorded_hardness(run, "of older weights") == []
    assert len(measured(found)) == 5
    assert len(measured(found[1:])) == 4  # a damaged line is left out, and its sampler
    assert len(found) == 15 and {r.metric for r in found} == {MEAN, OF_MEANS, OF_TRIPLETS}
    assert {(r.n, r.split) for r in found} == {(16, "train")}  # two batches of eight pairs
    assert "only the order of the samplers can be compared" in said
    assert "-0.126" in said and f"{found[0].value:.3f}" in said
    assert analyze.main(["analyze"]) == 2
    assert "--workdir=RUN" in capsys.readouterr().err


def test_the_first_weights_of_a_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert analyze.main(["analyze", "--outputs=table1", "--dataset=digits", "--batches=2"]) == 0
    said = capsys.readouterr().out
    assert "semihard" in said and "-0.126" in said and "records" not in said
    assert not list(tmp_path.iterdir())
    for flags, message in (
        (["--dataset=digits", "--workdir=run"], "give --workdir=RUN"),
        (["--dataset=digits", "--outputs=table2"], "there is table1 only"),
        (["--dataset=digits", "--init_weights=no.npz"], "not for digits_embedding"),
    ):
        assert analyze.main(["analyze", *flags]) == 2
        assert message in capsys.readouterr().err
