"""Values of logits that the attacks on a classifier ascend."""

from collections.abc import Callable

import tensorflow as tf

from robust_tf.attacks.objective import NetworkObjective
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


class ClassifierObjective(NetworkObjective):
    """A value of the logits of a classifier; an image is active while its label wins.

    Args:
        logits_fn: images [batch, ...] to logits [batch, classes]. It decides the mode of the model.
        labels: int [batch], the true labels.
        coupled: see `Objective`.
    """

    def __init__(
        self,
        logits_fn: Callable[[tf.Tensor], tf.Tensor],
        labels: tf.Tensor,
        *,
        coupled: bool = False,
    ):
        super().__init__(logits_fn)
        self.labels = tf.convert_to_tensor(labels)
        self.coupled = coupled

    def active(self, x):
        return correct(self.outputs(x), self.labels)


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
