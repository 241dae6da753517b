"""What an attack ascends."""

from collections.abc import Callable

import tensorflow as tf

from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.losses.cross_entropy import cross_entropy

# Against a division by zero where the leading logits are equal, as in the authors' code.
SMALL = 1e-12


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """z_y - max of the other logits: > 0 where the label wins.

    Args:
        logits: float [batch, classes].
        labels: int [batch].

    Returns:
        float [batch].
    """
    is_label = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False)
    label_logit = tf.gather(logits, labels, batch_dims=1)
    lowest = tf.constant(-float("inf"), logits.dtype)
    return label_logit - tf.reduce_max(tf.where(is_label, lowest, logits), axis=1)


def correct(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns bool [batch]: the label has the largest of the logits [batch, classes]."""
    predicted = tf.argmax(logits, axis=1)
    return predicted == tf.cast(labels, predicted.dtype)


def likeliest_others(logits: tf.Tensor, labels: tf.Tensor, count: int) -> tf.Tensor:
    """Returns int32 [batch, count]: the classes with the largest logits, the label left out."""
    is_label = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False)
    lowest = tf.constant(-float("inf"), logits.dtype)
    return tf.math.top_k(tf.where(is_label, lowest, logits), count).indices


def dlr_form(num_classes: int, targeted: bool = False) -> str:
    """Names what `dlr` or `targeted_dlr` computes for this many classes.

    The targeted ratio needs 4 classes, the untargeted one 3; with fewer the next simpler form
    takes its place: "targeted DLR", "DLR", "margin".
    """
    if num_classes < 3:
        return "margin"
    return "targeted DLR" if targeted and num_classes > 3 else "DLR"


def dlr(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The difference-of-logits ratio -(z_y - max of the others) / (z_1st - z_3rd).

    Unlike the cross entropy it ignores the scale of the logits (AutoAttack, Croce and Hein 2020,
    section 4). With 2 classes, where there is no third logit, the negative margin.

    Args:
        logits: float [batch, classes].
        labels: int [batch].

    Returns:
        float [batch], > 0 where the label loses.
    """
    if dlr_form(logits.shape[-1]) == "margin":
        return -margin(logits, labels)
    largest = tf.math.top_k(logits, 3).values
    return -margin(logits, labels) / (largest[:, 0] - largest[:, 2] + SMALL)


def targeted_dlr(logits: tf.Tensor, labels: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The ratio towards a target t: -(z_y - z_t) / (z_1st - (z_3rd + z_4th) / 2).

    AutoAttack, Croce and Hein 2020, section 4. With fewer than 4 classes it is `dlr`,
    whatever the target.

    Args:
        logits: float [batch, classes].
        labels, targets: int [batch].

    Returns:
        float [batch].
    """
    if dlr_form(logits.shape[-1], targeted=True) != "targeted DLR":
        return dlr(logits, labels)
    largest = tf.math.top_k(logits, 4).values
    scale = largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + SMALL
    return logit_difference(logits, targets, labels) / scale


def logit_difference(logits: tf.Tensor, classes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns float [batch]: z_class - z_other; both int [batch]."""
    return tf.gather(logits, classes, batch_dims=1) - tf.gather(logits, others, batch_dims=1)


class Objective:
    """A value per item to ascend, as a function of the images alone.

    A subclass closes over model, mode and labels. An item is an image, or a triplet of images
    stacked in x.
    """

    # saturated(means, previous) -> bool, all [groups]: called after each step with the mean over
    # the items of every group before that step and the means one step earlier (inf at first). A
    # group for which it was True stays where it is; once all do, the loop ends.
    # None means no such rule: the loop is then compiled without it.
    saturated = None
    # Number of equal parts in a row into which that rule divides the items.
    groups = 1

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns float [items]; the attack ascends their sum."""
        raise NotImplementedError

    def value_and_gradient(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the values at `x`, float [items], and the gradient of their sum, like `x`."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            values = self(x)
            # The sum, not the mean: images do not share a step, and in float16 a mean underflows.
            total = tf.reduce_sum(values)
        return values, tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def active(self, x: tf.Tensor) -> tf.Tensor:
        """Returns bool [batch]: the images still worth attacking."""
        return tf.ones(tf.shape(x)[:1], tf.bool)


class ClassifierObjective(Objective):
    """A value of the logits of a classifier; an image is active while its label wins.

    Args:
        logits_fn: images [batch, ...] to logits [batch, classes]. It decides the mode of the model.
        labels: int [batch], the true labels.
        coupled: see `logit_gradient`.
    """

    def __init__(
        self,
        logits_fn: Callable[[tf.Tensor], tf.Tensor],
        labels: tf.Tensor,
        *,
        coupled: bool = False,
    ):
        self.logits_fn = logits_fn
        self.labels = tf.convert_to_tensor(labels)
        self.coupled = coupled

    def __call__(self, x):
        return self.values(self.logits_fn(x))

    def values(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns float [batch] for logits [batch, classes]."""
        raise NotImplementedError

    def value_and_gradient(self, x):
        return logit_gradient(self.logits_fn, x, self.values, self.coupled)[1:]

    def active(self, x):
        return correct(self.logits_fn(x), self.labels)


class CrossEntropy(ClassifierObjective):
    """Cross entropy of the true label, with `label_smoothing` in [0, 1)."""

    def __init__(self, logits_fn, labels, label_smoothing: float = 0.0, **coupled):
        super().__init__(logits_fn, labels, **coupled)
        self.label_smoothing = label_smoothing

    def values(self, logits):
        return cross_entropy(logits, self.labels, self.label_smoothing)


class Margin(ClassifierObjective):
    """-max(z_y - max of the other logits, -kappa), the L-inf form of Carlini and Wagner 2017.

    The gradient is zero once the label is `kappa` behind. kappa = 50 as in the TLA authors' code,
    whose -max(margin + kappa, 0) is this minus the constant kappa.
    """

    def __init__(self, logits_fn, labels, kappa: float = 50.0):
        super().__init__(logits_fn, labels)
        self.kappa = kappa

    def values(self, logits):
        return -tf.maximum(margin(logits, self.labels), -self.kappa)
