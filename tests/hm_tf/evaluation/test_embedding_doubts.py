"""Every evaluation of an embedding network says the doubts about it, cheaply."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_embedding import small_images, small_network

from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet
from hm_tf.evaluation.embedding_doubts import embedding_doubts
from robust_tf.data.examples import Examples

COUNT = 120
IMAGES = small_images(COUNT)


class Layer(keras.layers.Layer):
    """A function in the place of a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


def normalised(x):
    """Batch normalisation in training mode."""
    return (x - tf.reduce_mean(x, 0)) / (tf.math.reduce_std(x, 0) + 1e-3)


def noisy(x):
    return x + tf.random.normal(tf.shape(x), stddev=0.01)


@tf.custom_gradient
def turned(x):
    """Its gradient has the wrong sign."""
    return tf.identity(x), tf.negative


def cut_above(x):
    """No gradient for some images only."""
    return tf.where(x[:, :1] > 0.5, tf.stop_gradient(x), x)


def takes_raw_pixels(x):
    """Saturates to one value for images in [0, 1]."""
    return tf.nn.relu(x - 2) / 255 + 0.5


MISTAKES = [
    (lambda x: tf.round(8 * x) / 8, "zero gradients", "100 of 100 images have a zero"),
    (cut_above, "zero gradients", "of 100 images have a zero or non-finite gradient of the emb"),
    (turned, "misleading gradients", "in 50 of 50 images a step of 2/255"),
    (noisy, "random outputs", "50 of 50 images: the network is random"),
    (normalised, "outputs depend on the batch", "of 50 images get other outputs"),
    (lambda x: 0.5 + 0.01 * x, "collapsed", "attacks on it mean nothing"),
    (takes_raw_pixels, "collapsed", "; on [0, 255] R@1 among 100 images is "),
]


def doubts(network, examples=IMAGES, batch_size=250):
    test_set = EmbeddedTestSet(network, examples, batch_size=batch_size)
    return embedding_doubts(network, test_set, batch_size)


def test_nothing_is_said_about_an_honest_network():
    assert doubts(small_network()) == []


@pytest.mark.parametrize("mistake, name, message", MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_is_one_line(mistake, name, message):
    found = doubts(small_network([Layer(mistake)]))
    (doubt,) = [doubt for doubt in found if doubt.name == name]
    assert message in doubt.message and "\n" not in doubt.message


def test_a_collapsed_network_that_retrieves_has_its_own_range():
    (doubt,) = doubts(small_network([Layer(lambda x: 0.5 + 0.01 * x)]))
    assert doubt.name == "collapsed" and "input range" not in doubt.message


@pytest.mark.parametrize(("right", "named"), [(36, False), (60, True)])
def test_a_range_is_named_where_it_is_clearly_better(monkeypatch, right, named):
    """Embeddings of random features are a little better on images of more contrast."""
    recalls = iter([30, right, 10])  # chance is 24 %, and 36 % are above it
    monkeypatch.setattr(
        "hm_tf.evaluation.embedding_doubts._recall_at_1",
        lambda embeddings, labels: np.arange(len(labels)) < next(recalls),
    )
    (doubt,) = doubts(small_network([Layer(lambda x: 0.5 + 0.01 * x)]))
    assert ("on [0, 255] R@1 among 100 images is 60.0 %: input range" in doubt.message) == named
    assert ("input range" in doubt.message) == named


def test_near_chance_on_images_that_say_nothing_of_their_class():
    rng = np.random.default_rng(0)
    noise = Examples(rng.integers(0, 256, [COUNT, 4, 4, 1], np.uint8), IMAGES.labels)
    assert [doubt.name for doubt in doubts(small_network(), noise)] == ["collapsed"]


def test_a_collapsed_network_on_so_many_classes_that_no_two_images_looked_at_share_one():
    """As Stanford Online Products: 100 of 60,502 images of 11,316 classes."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, [400, 4, 4, 1], np.uint8)
    found = doubts(small_network(), Examples(noise, np.arange(400, dtype=np.int32) // 2))
    assert [doubt.name for doubt in found] == ["collapsed"]


def test_copies_in_the_gallery_are_said(monkeypatch):
    twice = IMAGES.rows(np.r_[:COUNT, 5:8])
    (doubt,) = doubts(small_network(), twice)
    assert doubt.name == "copies" and "6 of 123 images have an equal one" in doubt.message
    files = np.array([tf.io.encode_png(image).numpy() for image in twice.images], object)
    encoded = Examples(files, twice.labels, encoded_shape=twice.images.shape[1:])
    assert doubts(small_network(), encoded) == [doubt]
    # Of another class they lower R@1.
    other = Examples(twice.images, np.r_[IMAGES.labels, IMAGES.labels[5:8] + 1])
    assert doubts(small_network(), other) == []
    monkeypatch.setattr("hm_tf.evaluation.embedding_doubts.COPIES", 0.05)
    assert doubts(small_network(), twice) == []


def test_the_looks_cost_no_more_than_the_shortest_attack_on_one_batch():
    """One step shows a batch forward and backward, and forward again; backward counts twice."""
    shown = []

    @tf.custom_gradient
    def counted(x):
        shown.append(len(x))

        def gradient(upstream):
            shown.append(2 * len(x))
            return upstream

        return tf.identity(x), gradient

    network = small_network([Layer(lambda x: x if tf.is_symbolic_tensor(x) else counted(x))])
    test_set = EmbeddedTestSet(network, IMAGES, batch_size=250)
    shown.clear()
    assert embedding_doubts(network, test_set, 250) == []
    assert 3 * 100 <= sum(shown) <= 4 * COUNT
