"""What a defense descends, as what its inner attack ascends."""

import tensorflow as tf

from robust_tf.attacks.objectives import ClassifierObjective, correct


class LossObjective(ClassifierObjective):
    """A loss of all outputs of a network, not of its logits alone.

    The outputs are one tensor, side by side.

    Args:
        outputs_fn: function from images to dict name -> float [batch, width], with "logits".
        widths: dict name -> int, the widths of these outputs.
        labels: int [batch].
        loss: function from that dict to float [batch].
        coupled: see `Objective`.
    """

    def __init__(self, outputs_fn, widths, labels, loss, *, coupled=False):
        def all_outputs(images):
            outputs = outputs_fn(images)
            return tf.concat([outputs[name] for name in widths], axis=1)

        super().__init__(all_outputs, labels, coupled=coupled)
        self.widths = widths
        self.loss = loss

    def values(self, logits):
        return self.loss(self._apart(logits))

    def active(self, x):
        return correct(self._apart(self.outputs(x))["logits"], self.labels)

    def _apart(self, joined):
        parts = tf.split(joined, list(self.widths.values()), axis=1)
        return dict(zip(self.widths, parts))
