"""The train-step template of every defense of this repository."""

import keras
import tensorflow as tf

from robust_tf import randomness
from robust_tf.losses.weight_decay import decayed_kernels, l2_weight_decay
from robust_tf.training import replicas


class AdversarialModel(keras.Model):
    """A network together with the way it is trained.

    A defense overrides two hooks, which read like the algorithm box of its paper:

    * `craft(batch)`: makes adversarial images (or selects images) outside the gradient tape;
    * `loss_terms(batch, crafted)`: the named terms of the loss, each of shape [batch].

    The template unpacks the batch, calls the hooks, and in one place reduces, weights and scales
    the terms. It works with plain `compile` / `fit`, in any precision, and under a `tf.distribute`
    strategy, where the gradients of the replicas are summed.

    Args:
        network: functional `keras.Model`; float images [batch, height, width, channels] in [0, 1]
            -> dict of float32 outputs.
        term_weights: dict, the weight of every term that `loss_terms` returns.
        monitors: names of the further values that `loss_terms` returns, to be shown only.
        weight_decay: coefficient of sum 1/2 ||W||^2 over the `decayed_variables`.
        reduction: "mean" or "sum" over the items of the global batch.
        seed: int, of every random draw made in a step.
    """

    def __init__(
        self,
        network,
        *,
        term_weights,
        monitors=(),
        weight_decay=0.0,
        reduction="mean",
        seed=0,
        **kw,
    ):
        super().__init__(**kw)
        self.network = network
        self.term_weights = dict(term_weights)
        self.weight_decay = weight_decay
        self.reduction = reduction
        self.seed = seed
        names = ["loss", *self.term_weights, *monitors]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True  # the network is, and the defense adds no layer of its own

    def call(self, images, training=False):
        return self.network(images, training=training)

    def compile(self, *args, **kwargs):
        """As in Keras; the optimiser's slots exist afterwards, so that they can be restored."""
        super().compile(*args, **kwargs)
        with self.distribute_strategy.scope():
            self.optimizer.build(self.trainable_variables)

    def craft(self, batch):
        """Returns a dict of tensors that the loss treats as constants. By default nothing."""
        del batch
        return {}

    def loss_terms(self, batch, crafted):
        """Returns (terms, monitors): dicts of name -> values [batch]."""
        raise NotImplementedError

    def decayed_variables(self):
        """The variables under weight decay: by default convolution and dense kernels."""
        return decayed_kernels(self.network)

    @property
    def metrics(self):
        return list(self.trackers.values())

    def key(self, batch, purpose):
        """Returns the random key of this step for `purpose`."""
        return randomness.key(self.seed, batch["step"][0], purpose)

    def train_step(self, data):
        batch = self._unpack(data)
        crafted = tf.nest.map_structure(tf.stop_gradient, self.craft(batch))
        with tf.GradientTape() as tape:
            terms, monitors = self.loss_terms(batch, crafted)
            loss = self._local_share(terms)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        # The share times the number of replicas averages to the global loss over the replicas.
        shown = {"loss": loss * replicas.current_shard().count, **terms, **monitors}
        for name, values in shown.items():
            self.trackers[name].update_state(values)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _unpack(self, data):
        """Accepts the pipeline's dict, or (images, labels) of a plain `fit`."""
        if not isinstance(data, dict):
            images, labels = data[:2]
            step = tf.fill(tf.shape(images)[:1], tf.cast(self.optimizer.iterations, tf.int64))
            data = {"image": images, "label": labels, "step": step}
        images = tf.cast(data["image"], self.variable_dtype)
        _check_range(images)
        return {
            **data,
            "image": images,
            "label": tf.reshape(tf.cast(data["label"], tf.int32), [-1]),
        }

    def _local_share(self, terms):
        """This replica's summand of the global loss.

        The optimiser sums gradients over replicas. A mean over the global batch is therefore the
        local mean over the number of replicas, a sum is the local sum, and weight decay, which
        every replica computes in full, is divided as well.
        """
        count = replicas.current_shard().count
        total = weighted_total(terms, self.term_weights, self.reduction)
        share = total if self.reduction == "sum" else total / count
        if self.weight_decay:
            decay = l2_weight_decay(self.decayed_variables())
            share += self.weight_decay * tf.cast(decay, share.dtype) / count
        return share

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build: Keras would draw a batch and average it over the replicas for
        that, which fails with several workers (keras-team/keras#20585)."""


def weighted_total(terms, weights, reduction):
    """sum_k weight_k * mean_i term_k[i], or the sum over i.

    Args:
        terms: dict name -> float [batch].
        weights: dict name -> float, the same names.
        reduction: "mean" or "sum".
    """
    reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[reduction]
    return tf.add_n([weights[name] * reduce(values) for name, values in terms.items()])


def _check_range(images):
    """Stops on images that no attack of the threat model could have started from."""
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    tf.debugging.Assert(
        tf.logical_and(low >= 0.0, high <= 1.0),  # false for NaN
        ["images must be finite and in [0, 1]; this batch ranges from", low, "to", high],
    )
