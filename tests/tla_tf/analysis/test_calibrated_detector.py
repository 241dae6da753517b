"""The detector of an export: what it is calibrated on, and what its threshold promises."""

from types import SimpleNamespace

import numpy as np
import pytest

from robust_tf import data
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.evaluation import row_blocks
from tla_tf.analysis import calibrated_detector, mixture_detection
from tla_tf.analysis.calibrated_detector import (
    calibrate,
    conformal_threshold,
    detector_images,
    excess_reason,
)

SPLITS = {"train": range(100), "validation": range(200, 220)}


def load(split, limit=None):
    images = np.uint8(list(SPLITS[split])).reshape(-1, 1, 1, 1)
    return Examples(images, np.int32(images.ravel() % 2)).take(limit)


def parts_of(flags, splits):
    run = SimpleNamespace(
        dataset=SimpleNamespace(load=load), info=SimpleNamespace(splits=splits), flags=flags
    )
    fitted, others, facts = detector_images(run)
    fitted, others = ({*part.images.ravel()} for part in (fitted, others))
    assert not fitted & others
    return fitted, others, facts["calibrated_on_images_unseen_in_training"]


@pytest.mark.parametrize(
    "flags, splits, trained, count",
    [
        ({"held_out": 0, "limit_train": 70}, SPLITS, range(70), 20),
        ({"held_out": 15, "limit_train": None}, SPLITS, range(100), 15),
        ({"held_out": 0, "limit_train": 70}, ["train"], range(70), 30),
    ],
)
def test_the_calibration_takes_images_that_the_training_has_not_seen(flags, splits, trained, count):
    fitted, others, unseen = parts_of(flags, splits)
    assert unseen and len(others) == count
    assert fitted == {*trained} and not others & {*trained}


def test_images_that_the_training_held_out_are_taken():
    fitted, others, unseen = parts_of({"held_out": 10, "limit_train": 60}, ["train"])
    assert unseen and len(others) == 10 and len(fitted) == 60


@pytest.mark.parametrize("flags", [{"held_out": 0, "limit_train": None}, {}])
def test_a_network_that_saw_all_images_is_said_to(flags):
    fitted, others, unseen = parts_of(flags, ["train"] if flags else SPLITS)
    assert not unseen and (len(fitted), len(others)) == (80, 20)


def test_of_many_images_every_class_has_its_share(monkeypatch):
    """In the order of a folder the classes come in turn: every other image is of one class."""
    monkeypatch.setattr(calibrated_detector, "MOST", 50)
    run = SimpleNamespace(
        dataset=SimpleNamespace(load=load), info=SimpleNamespace(splits=["train"]), flags={}
    )
    monkeypatch.setitem(SPLITS, "train", range(125))
    fitted, others, _ = detector_images(run)
    assert [np.bincount(part.labels).tolist() for part in (fitted, others)] == [[25, 25], [13, 12]]


def test_the_calibration_holds_few_distances_of_images_to_classes_at_a_time(monkeypatch):
    """Those of 10,000 images to 200 classes, with 640 entries each, take 5 GB."""
    rng, sizes, plain = np.random.default_rng(0), [], mixture_detection.gaussian_log_densities

    def counted(x, *gaussians):
        sizes.append(len(x))
        return plain(x, *gaussians)

    labels = np.arange(40, dtype=np.int32) % 4
    examples = Examples(rng.integers(0, 256, [40, 1, 1, 3], np.uint8), labels)
    embed = lambda network, part, progress: {"embedding": part.images[:, 0, 0] / np.float32(255)}
    monkeypatch.setattr(calibrated_detector, "embeddings_under_attack", embed)
    monkeypatch.setattr(mixture_detection, "gaussian_log_densities", counted)
    whole = calibrate(None, examples.take(20), examples.rows(slice(20, None)), 0.2)
    assert sizes == [20]
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 4 * 3 * 4 * 8)  # of 8 images
    parts = calibrate(None, examples.take(20), examples.rows(slice(20, None)), 0.2)
    assert sizes[1:] == [8, 8, 4]
    assert parts.threshold == pytest.approx(whole.threshold, rel=1e-5)


def test_the_threshold_is_an_order_statistic():
    confidence = np.random.default_rng(0).permutation(39).astype(np.float32)
    assert conformal_threshold(confidence, 0.05) == 1.0  # the second smallest
    assert conformal_threshold(confidence, 0.5) == 19.0
    assert conformal_threshold(confidence[confidence < 19], 0.05) == 0.0
    with pytest.raises(UserError, match="--detector_fpr=0.05 needs at least 19 images.*are 18"):
        conformal_threshold(confidence[confidence < 18], 0.05)


def test_new_images_are_rejected_at_the_rate_asked_for():
    # Of uniform confidences a share of t lies below a threshold t.
    draw = np.random.default_rng(0)
    thresholds = [conformal_threshold(draw.uniform(size=99), 0.1) for _ in range(4000)]
    assert np.mean(thresholds) == pytest.approx(0.1, abs=0.002)


def test_an_excess_of_rejections_has_its_known_reasons():
    digits, other = data.open("digits").info, SimpleNamespace(shift="")
    confident = "the network is more confident on images of its training"
    assert excess_reason(True, digits) == digits.shift
    assert excess_reason(False, digits) == f"{confident}; {digits.shift}"
    assert excess_reason(False, other) == confident
    assert excess_reason(True, other).startswith("the images of the calibration are too few, or")


def test_the_test_digits_come_from_forms_that_the_training_hardly_has():
    """Each form asks for the same digits in the same order, so the labels show where one begins."""
    train, test = (data.open("digits").load(split).labels for split in ("train", "test"))
    labels, form = np.concatenate([train, test]), train[:120]
    same = [np.mean(labels[row : row + 120] == form) for row in range(len(labels) - 120)]
    assert same[1415] == 1 and max(same[1300:1415]) < 0.5
    assert "other forms than 1,415 of the 1,437" in data.open("digits").info.shift
