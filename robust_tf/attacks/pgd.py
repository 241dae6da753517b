"""The gradient-ascent loop of this repository (PGD, Madry et al. 2018; MIM, Dong et al. 2018)."""

import tensorflow as tf

from robust_tf import randomness
from robust_tf.randomness import Shard
from robust_tf.threat_model import format_magnitude, parse_magnitude

MOMENTUM_FORMS = ("accumulate", "l1", "ema")


class Momentum:
    """The direction g of a step, from the gradient and the direction before.

    accumulate: g <- decay * g + gradient (MIM as TLA describes it: no normalisation).
    l1: the same, each image's gradient divided by its L1 norm first (Dong et al. 2018, eq. 6).
    ema: g <- decay * g + (1 - decay) * gradient, starting at the first gradient (the TLA authors'
        code).

    Args:
        decay: weight of the past, >= 0.
        form: one of the above.

    Raises:
        ValueError: unknown form, negative decay.
    """

    def __init__(self, decay, form="accumulate"):
        if form not in MOMENTUM_FORMS:
            raise ValueError(f"unknown form {form!r}; choose from {', '.join(MOMENTUM_FORMS)}")
        if decay < 0:
            raise ValueError(f"decay must be >= 0, got {decay}")
        self.decay = decay
        self.form = form

    def __repr__(self):
        return f"Momentum({self.decay:g}, form={self.form!r})"

    def __call__(self, velocity, gradient, step):
        """Returns the new direction, shaped like `gradient`; `velocity` is zero at step 0."""
        if self.form == "ema":
            mixed = self.decay * velocity + (1.0 - self.decay) * gradient
            return tf.where(step == 0, gradient, mixed)
        if self.form == "l1":
            axes = list(range(1, gradient.shape.rank))
            size = tf.reduce_sum(tf.abs(gradient), axis=axes, keepdims=True)
            gradient = tf.math.divide_no_nan(gradient, size)
        return self.decay * velocity + gradient


class PGD:
    """Projected gradient ascent: x <- project(step(x, direction)), a fixed number of times.

    The last iterate counts, whether or not an earlier one was better.

    Args:
        threat_model: a ThreatModel.
        steps: number of gradient steps, >= 1.
        step_size: in pixel units, "1/255" is understood; None means 2.5 * eps / steps.
        random_start: start at a random point of the ball instead of the image.
        momentum: a Momentum, or None for the plain gradient.
        restarts: independent runs; more than one needs a random start.

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(
        self, threat_model, steps, step_size=None, *, random_start=False, momentum=None, restarts=1
    ):
        if steps < 1 or restarts < 1:
            raise ValueError(f"steps and restarts must be >= 1, got {steps} and {restarts}")
        if restarts > 1 and not random_start:
            raise ValueError("without a random start every restart would repeat the first run")
        default = 2.5 * threat_model.eps / steps
        self.threat_model = threat_model
        self.steps = steps
        self.step_size = default if step_size is None else parse_magnitude(step_size)
        self.random_start = random_start
        self.momentum = momentum
        self.restarts = restarts

    def __repr__(self):
        return (
            f"PGD({self.threat_model}, steps={self.steps}, "
            f"step_size={format_magnitude(self.step_size)}, random_start={self.random_start}, "
            f"momentum={self.momentum}, restarts={self.restarts})"
        )

    def __call__(self, objective, x, *, key=None, shard=Shard()):
        """Attacks `x`, with restarts.

        Of the restarts an image keeps the first that defeats it, the first of all if none does.
        They end as soon as all images are defeated, so the last, as the TLA authors' code keeps it,
        would depend on the other images of the batch; robust accuracy is the same.

        Args:
            objective: an Objective; the sum of its values is ascended.
            x: float [batch, ...], the clean images in the box of the threat model.
            key: int32 [2], see randomness.key; needed for a random start.
            shard: which slice of the global batch `x` is.

        Returns:
            Images like `x`, in ball and box, without gradient.

        Raises:
            ValueError: a random start without a key.
        """
        self._check(key)
        x = tf.convert_to_tensor(x)
        if self.restarts == 1:
            return self.run(objective, x, key=key, shard=shard)
        return self._with_restarts(objective, x, key, shard)

    def run(self, objective, x, *, key=None, shard=Shard()):
        """One run of the attack, without restarts; arguments and result as of the call."""
        return self._ascend(objective, x, key, shard)[0]

    def run_keeping_last(self, objective, x, *, key=None, shard=Shard()):
        """As `run`, and also returns the images of the last forward pass, one step earlier."""
        return self._ascend(objective, x, key, shard, keep_last=True)

    def _ascend(self, objective, x, key, shard, keep_last=False):
        self._check(key)
        x = tf.convert_to_tensor(x)
        start = self.threat_model.random_start(x, key, shard) if self.random_start else x
        start = tf.ensure_shape(start, x.shape)
        velocity = () if self.momentum is None else tf.zeros_like(x)
        ends, groups = objective.saturated is not None, objective.groups
        previous = tf.fill([groups], tf.constant(float("inf"), x.dtype)) if ends else ()

        def ascend(step, x_adv, last, velocity, previous, going):
            last = x_adv if keep_last else ()
            values, direction = value_and_gradient(objective, x_adv)
            if self.momentum is not None:
                direction = velocity = self.momentum(velocity, direction, step)
            moved = self.threat_model.step(x_adv, direction, self.step_size)
            moved = tf.ensure_shape(self.threat_model.project(moved, x), x.shape)
            if not ends:
                return step + 1, moved, last, velocity, previous, going
            x_adv = tf.where(_images_of(going, values.shape[0], x.shape), moved, x_adv)
            means = tf.reduce_mean(tf.reshape(tf.cast(values, x.dtype), [groups, -1]), axis=1)
            going &= ~objective.saturated(means, previous)
            return step + 1, x_adv, last, velocity, means, going

        # Not a Python loop: AutoGraph is off in Keras's train_step, and unrolling would compile the
        # model `steps` times.
        _, x_adv, last, *_ = tf.while_loop(
            lambda step, x_adv, last, velocity, previous, going: tf.reduce_any(going),
            ascend,
            (
                *(tf.constant(0), start, start if keep_last else ()),
                *(velocity, previous, tf.fill([groups], True)),
            ),
            parallel_iterations=1,
            maximum_iterations=self.steps,
        )
        return tf.stop_gradient(x_adv), tf.stop_gradient(last) if keep_last else None

    def _with_restarts(self, objective, x, key, shard):
        per_image = [-1] + [1] * (x.shape.rank - 1)

        def restart(number, best, standing):
            folded = randomness.fold_in(key, number)
            # The first run takes the key itself: pgd20 is the first run of 20pgd20.
            run_key = tf.where(number == 0, key, folded)
            x_adv = self.run(objective, x, key=run_key, shard=shard)
            defeated = ~objective.undefeated(x_adv)
            replaced = tf.reshape((number == 0) | (standing & defeated), per_image)
            best = tf.ensure_shape(tf.where(replaced, x_adv, best), x.shape)
            return number + 1, best, tf.ensure_shape(standing & ~defeated, x.shape[:1])

        _, best, _ = tf.while_loop(
            lambda number, best, standing: tf.reduce_any(standing),
            restart,
            (tf.constant(0), x, tf.ones(tf.shape(x)[:1], tf.bool)),
            parallel_iterations=1,
            maximum_iterations=self.restarts,
        )
        return tf.stop_gradient(best)

    def _check(self, key):
        if self.random_start and key is None:
            raise ValueError("a random start needs a key (robust_tf.randomness.key)")


def _images_of(groups, items, shape):
    """Which images belong to the chosen groups of items: bool [groups] to bool [n, 1, ...].

    Args:
        groups: bool [groups].
        items: how many items; the images of each role, one per item, follow one another in x.
        shape: of x, [n, ...].
    """
    of_items = tf.repeat(groups, items // groups.shape[0])
    return tf.reshape(tf.tile(of_items, [shape[0] // items]), [-1] + [1] * (shape.rank - 1))


def value_and_gradient(objective, x):
    """Returns the values of an `Objective` at `x`, float [items], and the gradient, like x."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        values = objective(x)
        # The sum, not the mean: images do not share a step, and in float16 a mean underflows.
        total = tf.reduce_sum(values)
    return values, tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
