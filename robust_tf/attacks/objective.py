"""What an attack ascends: a value of images, with a gradient that is safe in every precision."""

import warnings
from collections.abc import Callable

import tensorflow as tf

NO_GRADIENT = (
    "the values of {} have no gradient, as after tf.stop_gradient, rounding or a cast to integers: "
    "an attack by gradients ends where it starts"
)


def per_image(values: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Returns float [batch] `values` with the rank and dtype of `images`, to multiply them with."""
    return tf.reshape(tf.cast(values, images.dtype), [-1] + [1] * (images.shape.rank - 1))


class Objective:
    """A value per item to ascend, as a function of the images alone.

    A subclass closes over model, mode and labels, and gives the value by `__call__`. An item is an
    image, or a triplet of images stacked in x.
    """

    # saturated(means, previous) -> bool, all [groups]: called after each step with the mean over
    # the items of every group before that step and the means one step earlier (inf at first). A
    # group for which it was True stays where it is; once all do, the loop ends.
    # None means no such rule: the loop is then compiled without it.
    saturated = None
    # Number of equal parts in a row into which that rule divides the items.
    groups = 1
    # Whether the outputs of an image depend on the other images (batch norm in training mode). The
    # gradient of an image then has a part of every value, and all images share one scale.
    coupled = False

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns float [items]; the attack ascends their sum."""
        raise NotImplementedError

    def outputs(self, x: tf.Tensor) -> tf.Tensor:
        """Returns float [batch, ...], what the values are computed of: by default the images."""
        return x

    def values(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns float [items] from the outputs."""
        return self(outputs)

    def differentiate(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One forward and one backward pass.

        Inside the network float16 rounds some gradients to zero: of the cross entropy of a
        confident network, of a triplet close to its destination, of one image against a large
        gallery. So each image's gradient passes the network in a scale of its own. The scale is a
        power of two: in float32 it changes no bit of the result.

        Args:
            x: float [batch, ...].

        Returns:
            The outputs, the values in the dtype of x, and the gradient of their sum, like x.
        """
        with tf.GradientTape(watch_accessed_variables=False) as network:
            network.watch(x)
            outputs = self.outputs(x)
        with tf.GradientTape(watch_accessed_variables=False) as loss:
            loss.watch(outputs)
            values = tf.cast(self.values(outputs), x.dtype)
            # The sum, not the mean: the step of an image must not depend on the size of the batch.
            total = tf.reduce_sum(values)
        slope = loss.gradient(total, outputs)
        if slope is None:
            warnings.warn(NO_GRADIENT.format(type(self).__name__), stacklevel=2)
            slope = tf.zeros_like(outputs)
        scale = _power_of_two(_largest(slope, self.coupled))
        gradient = network.gradient(
            outputs,
            x,
            output_gradients=slope / per_image(scale, slope),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # The backward pass of a SavedModel has forgotten the shape.
        return outputs, values, tf.ensure_shape(gradient * per_image(scale, x), x.shape)

    def active(self, x: tf.Tensor) -> tf.Tensor:
        """Returns bool [batch]: the images still worth attacking."""
        return tf.ones(tf.shape(x)[:1], tf.bool)


class NetworkObjective(Objective):
    """A value of the outputs of a network.

    Args:
        outputs_fn: images [batch, ...] to float [batch, width]. It decides the mode of the network.
        values_fn: those outputs to float [items]; a subclass may have the method `values` instead.
    """

    def __init__(
        self,
        outputs_fn: Callable[[tf.Tensor], tf.Tensor],
        values_fn: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ):
        self.outputs_fn = outputs_fn
        self.values_fn = values_fn

    def __call__(self, x):
        return self.values(self.outputs(x))

    def outputs(self, x):
        return self.outputs_fn(x)

    def values(self, outputs):
        return self.values_fn(outputs)


def _largest(slope, shared):
    """Float [batch], the largest entry of each image; if `shared`, the largest of all images."""
    largest = tf.reduce_max(tf.abs(slope), axis=list(range(1, slope.shape.rank)))
    return tf.fill(tf.shape(largest), tf.reduce_max(largest)) if shared else largest


def _power_of_two(sizes):
    """Returns float32 [batch]: the largest power of two <= `sizes`, 1 for zero; exactly."""
    exponents = tf.bitwise.bitwise_and(
        tf.bitcast(tf.cast(sizes, tf.float32), tf.int32), tf.constant(0x7F800000, tf.int32)
    )
    powers = tf.bitcast(exponents, tf.float32)
    return tf.where((powers > 0) & tf.math.is_finite(powers), powers, 1.0)
