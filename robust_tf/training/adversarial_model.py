"""The train-step template of every defense of this repository."""

import contextlib
import functools
import warnings
from typing import Any

import keras
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import program_names
from robust_tf.errors import UserError, require_known, whole_number
from robust_tf.losses.weight_decay import (
    decayed_kernels,
    l2_weight_decay,
    regularizers_of_layers,
)
from robust_tf.settings import number
from robust_tf.training import compile_checks, replicas, saved_settings
from robust_tf.training.batch import parts_of, unpack
from robust_tf.training.checked_fit import CheckedFit
from robust_tf.training.named_terms import LOSS, require_names, require_terms
from robust_tf.training.weight_averaging import average_statistics, take_averages
from robust_tf.training.weight_perturbation import worst_weights
from robust_tf.training.workers import on_several

# Constructor arguments that are no settings of their own: others follow from them.
_NOT_SAVED = {"network", "term_weights", "monitors", "tested"}


class AdversarialModel(CheckedFit):
    """A network together with the way it is trained.

    A defense overrides two hooks, which read like the algorithm box of its paper:

    * `craft(batch)`: makes adversarial images (or selects images) outside the gradient tape;
    * `loss_terms(batch, crafted)`: the named terms of the loss, each of shape [batch].

    The template unpacks the batch, calls the hooks, and in one place reduces, weights and scales
    the terms. It works with plain `compile` / `fit`, in any precision, and under a `tf.distribute`
    strategy, where the gradients of the replicas are summed.

    A subclass keeps each argument of its constructor as an attribute of the same name. It can then
    be saved. Arguments in its set `resolved` are not kept, because other arguments follow from
    them.

    Args:
        network: functional `keras.Model`; float images [batch, height, width, channels] in [0, 1]
            -> dict of float32 outputs. The loss has the regularizers of its weights.
        term_weights: dict, the weight of every term that `loss_terms` returns.
        monitors: names of the further values that `loss_terms` returns, to be shown only.
        tested: names of the values that `test_values` returns.
        weight_decay: coefficient of sum 1/2 ||W||^2 over the `decayed_variables`.
        reduction: "mean" or "sum" over the items of the global batch.
        awp: radius of the adversarial weight perturbation in norms of a kernel; 0 for none.
        eps_warmup_steps: updates in which the radius of the inner attack grows linearly.
        seed: Seed of every random draw made in a step.

    Raises:
        ValueError: an unknown reduction, a setting out of its range.
        UserError: a layer that regularizes its outputs, a network without a dict of outputs, two
            values of one name.
    """

    resolved: frozenset[str] = frozenset()

    def __init__(
        self,
        network,
        *,
        term_weights,
        monitors=(),
        tested=(),
        weight_decay=0.0,
        reduction="mean",
        awp=0.0,
        eps_warmup_steps=0,
        seed=0,
        **kw,
    ):
        super().__init__(**kw)
        require_known("reduction", reduction, ("mean", "sum"))
        require_names(term_weights, monitors)
        compile_checks.require_named_outputs(network)
        compile_checks.refuse_regularized_outputs(network)
        self.network = network
        self.term_weights = dict(term_weights)
        self.weight_decay = number("weight_decay", weight_decay)
        self.reduction = reduction
        self.awp = number("awp", awp)
        self.eps_warmup_steps = whole_number("eps_warmup_steps", eps_warmup_steps, lowest=0)
        self.seed = whole_number("seed", seed)
        names = dict.fromkeys([LOSS, *self.term_weights, *monitors, *tested])
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True  # the network is; `compile` refuses a layer beside it that is not

    def call(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        return self.network(images, training=training)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Exports the network, by `keras.Model.export`; the training is no part of a SavedModel."""
        self.network.export(*args, **kwargs)

    def compile(self, optimizer: Any = "adam", loss: Any = None, **kwargs: Any) -> None:
        """As in Keras, without a loss.

        The optimiser's variables exist afterwards, so that they can be restored. On several
        replicas `jit_compile=True` compiles the inner attack, and not the rest of the step.

        Raises:
            UserError: a loss or its weights; a metric with the name of another number of the
                defense; a network that is not on the devices of the strategy; a layer of the
                defense itself that has no weights yet.
        """
        for name, value in {"loss": loss, "loss_weights": kwargs.get("loss_weights")}.items():
            if value is not None:
                raise UserError(
                    f"compile({name}=...): {type(self).__name__} has the loss of its paper; leave "
                    "it out"
                )
        metrics = kwargs.get("metrics"), kwargs.get("weighted_metrics")
        compile_checks.refuse_shown_names(self, *metrics)
        compile_checks.require_network_in_scope(self)
        compile_checks.require_built_layers(self)
        compile_checks.warn_of_integers(self.network)
        compile_checks.warn_of_local_statistics(self)
        super().compile(optimizer=optimizer, **kwargs)
        # XLA compiles no sum over devices, and an attack has none.
        several = self.distribute_strategy.num_replicas_in_sync > 1
        self._attack_by_xla = several and self.jit_compile
        self.jit_compile = self.jit_compile and not several
        self._trained = compile_checks.trainable_now(self)
        with self.distribute_strategy.scope():
            self.optimizer.build(self.trainable_variables)
            average_statistics(self.optimizer, self.network)

    def compile_from_config(self, config):
        """Keras leaves a model with a `compile` of its own uncompiled unless this is defined."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras. With `use_ema=True` the batch-norm statistics end as averages, too.

        A train step that XLA refuses is trained without XLA.

        Raises:
            UserError: images outside [0, 1], labels of no class or, in either set, text; weights
                that were frozen or unfrozen after `compile`.
        """
        history = super().fit(*args, **kwargs)
        take_averages(self.optimizer)
        return history

    def craft(self, batch):
        """Returns a dict of tensors that the loss treats as constants. By default nothing."""
        del batch
        return {}

    def loss_terms(self, batch, crafted):
        """Returns (terms, monitors): dicts of name -> values [batch].

        The terms have the names of `term_weights`, the others are among `monitors`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method loss_terms")

    def test_values(self, batch):
        """Returns what `evaluate` and validation show: dict of name -> values [batch].

        Its names are "loss" and the names in `tested`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no method test_values, which evaluate and validation show"
        )

    def decayed_variables(self):
        """The variables under weight decay: by default convolution and dense kernels."""
        return decayed_kernels(self.network)

    @property
    def metrics(self):
        compiled = self._compile_metrics if self.compiled else None
        return [*self.trackers.values(), *([] if compiled is None else [compiled])]

    def key(self, batch, purpose):
        """Returns the random key of this step for `purpose`."""
        return randomness.key(self.seed, batch["step"][0], purpose)

    def attack_of(self, batch):
        """Returns the inner attack of a batch; in training its radius may not be grown yet."""
        share = batch.get("eps_share")
        return self.attack if share is None else self.attack.scaled(share)

    def ascend(self, batch, objective, images, **draws):
        """Returns images after the inner attack of a batch.

        Args:
            batch: batch of the step.
            objective: `Objective` to ascend.
            images: float [n, h, w, c], where the attack begins.
            **draws: key and shard, see `PGD.ascend`.
        """
        ascend = functools.partial(self.attack_of(batch).ascend, objective, images, **draws)
        if self._attack_by_xla:
            ascend = tf.function(ascend, autograph=False, jit_compile=True)
        return ascend()

    def train_step(self, data):
        if (self.jit_compile or self._attack_by_xla) and not tf.executing_eagerly():
            program_names.round_up(program_names.TRAINING)
        if not self.trainable_variables:
            warnings.warn(f"{self.network.name} is frozen: no weight is trainable", stacklevel=2)
        batch = self.unpack(data, self.optimizer.iterations)
        if self.eps_warmup_steps:
            grown = tf.cast(batch["step"][0] + 1, batch["image"].dtype) / self.eps_warmup_steps
            batch["eps_share"] = tf.minimum(grown, 1)
        crafted = tf.nest.map_structure(tf.stop_gradient, self.craft(batch))
        with self._weights_of_the_step(batch, crafted):
            values, gradients = self._gradients(batch, crafted, penalized=True)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = replicas.spread_overflow(gradients)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._shown(values, batch)

    def _weights_of_the_step(self, batch, crafted):
        if not self.awp:
            return contextlib.nullcontext()
        # Without the penalty: its ascent would only make the weights larger.
        return worst_weights(
            self, self.awp, lambda: self._gradients(batch, crafted, penalized=False)[1]
        )

    def _gradients(self, batch, crafted, *, penalized):
        """Returns the numbers of the step to show, and the gradients of this replica's loss."""
        with tf.GradientTape() as tape:
            returned = self.loss_terms(batch, crafted)
            terms, monitors = require_terms(returned, self.term_weights, self.trackers)
            compile_checks.refuse_added_losses(self.network)
            terms = _weighted(terms, batch)
            loss = self._local_share(terms, self._penalty() if penalized else 0)
            scaled = self.optimizer.scale_loss(loss)
        # The share times the number of replicas averages to the global loss over the replicas.
        loss *= replicas.current_shard().count
        gradients = tape.gradient(scaled, self.trainable_variables)
        return {"loss": loss, **terms, **monitors}, gradients

    def test_step(self, data):
        # The same draws in every epoch, so that epochs can be compared.
        batch = self.unpack(data, tf.constant(0))
        values = self.test_values(batch)
        # As in Keras, sample weights are of the loss and of weighted metrics.
        loss = {name: value for name, value in values.items() if name == "loss"}
        return self._shown({**values, **_weighted(loss, batch)}, batch)

    def unpack(self, data, step):
        """Returns the batch of a step, see `robust_tf.training.batch`."""
        batch = unpack(data, step, self.variable_dtype, self._classes())
        images, known = batch["image"], self.network.inputs[0].shape
        # A dataset may leave open how large its images are; Keras refuses others in its own words.
        if images.shape.is_compatible_with(known):
            images = tf.ensure_shape(images, known)
        return {**batch, "image": images}

    def _classes(self):
        """The number of classes; None where the network only embeds."""
        logits = self.network.output.get("logits")
        return None if logits is None else logits.shape[-1]

    def get_config(self):
        settings = {
            name: saved_settings.to_config(self._setting(name))
            for cls in type(self).__mro__[: type(self).__mro__.index(AdversarialModel) + 1]
            for name in saved_settings.arguments(cls)
            if name not in _NOT_SAVED | self.resolved
        }
        network = keras.saving.serialize_keras_object(self.network)
        return {"name": self.name, "dtype": self.dtype_policy.name, "network": network, **settings}

    def _setting(self, name):
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise UserError(
                f"{type(self).__name__} cannot be saved: it does not keep its argument {name}; "
                f"write self.{name} = {name} in its constructor"
            ) from error

    @classmethod
    def from_config(cls, config, custom_objects=None):
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects)
        settings = {name: saved_settings.from_config(value) for name, value in config.items()}
        return cls(**{**settings, "network": network})

    def _shown(self, values, batch):
        """Adds values of a step to the metrics; returns the means so far.

        A scalar is this replica's share of the mean over a batch, see `replicas.mean`. It counts by
        the images of the whole batch.
        """
        for name, value in values.items():
            count = None if value.shape.rank else replicas.mean_items(batch["image"])
            self.trackers[name].update_state(value, sample_weight=count)
        shown = {name: self.trackers[name].result() for name in values}
        if on_several(self.distribute_strategy):
            # Keras averages what the workers return along an axis (keras-team/keras#20585).
            shown = {name: value[None] for name, value in shown.items()}
        if self._compile_metrics is None:
            return shown
        logits = self.network(batch["image"], training=False)["logits"]
        weights = batch.get("sample_weight")
        self._compile_metrics.update_state(batch["target"], logits, sample_weight=weights)
        return {**shown, **self._compile_metrics.result()}

    def _get_metrics_result_or_logs(self, logs):
        """The means over all replicas of the values that the last step has shown."""
        means = self.get_metrics_result()
        return {name: means[name] for name in logs}

    def _penalty(self):
        """What the loss has of the weights alone: weight decay, and the layers' regularizers."""
        penalty = regularizers_of_layers(self.trainable_variables)
        if self.weight_decay:
            penalty += self.weight_decay * l2_weight_decay(self.decayed_variables())
        return penalty

    def _local_share(self, terms, penalty):
        """This replica's summand of the global loss.

        The optimiser sums gradients over replicas. A mean over the global batch is therefore the
        local mean over the number of replicas; a sum is the local sum. Every replica computes the
        whole penalty, so this is divided, too.
        """
        count = replicas.current_shard().count
        total = weighted_total(terms, self.term_weights, self.reduction)
        share = total if self.reduction == "sum" else total / count
        return share + tf.cast(penalty, share.dtype) / count

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds the compiled metrics; nothing else is left to build.

        Keras would draw a batch and average it over the replicas for that, which fails with several
        workers (keras-team/keras#20585). Here Keras shows the batches of every `fit`, validation
        and `evaluate`, so here they get the checks that XLA leaves out of a step.
        """
        if self.jit_compile and iterator is not None:
            self._check_batches_of(iterator)
        if self._compile_metrics is None or self._compile_metrics.built:
            return
        if iterator is not None:
            data_batch = iterator.data_adapter.get_tf_dataset().element_spec
        target = parts_of(data_batch)[1]
        if target is None:  # the step says so
            return
        label = keras.KerasTensor(target.shape, target.dtype)
        with self.distribute_strategy.scope():
            self._compile_metrics.build(label, self.network.output["logits"])


def weighted_total(terms, weights, reduction):
    """sum_k weight_k * mean_i term_k[i], or the sum over i, or float [batch] of all i.

    Args:
        terms: dict name -> float [batch].
        weights: dict name -> float, the same names.
        reduction: "mean", "sum" or "none".
    """
    reduce = {"mean": replicas.mean, "sum": tf.reduce_sum, "none": tf.identity}[reduction]
    return tf.add_n([weights[name] * reduce(values) for name, values in terms.items()])


def _weighted(terms, batch):
    """The terms times the sample weights of a plain `fit`."""
    if "sample_weight" not in batch:
        return terms
    return {
        name: tf.cast(batch["sample_weight"], values.dtype) * values
        for name, values in terms.items()
    }
