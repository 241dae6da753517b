"""Accuracy on clean training images while training, beside the robust one of the train steps."""

import functools

from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.errors import RunError
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.models.output_of import output_of
from robust_tf.progress_bar import SOON
from robust_tf.runs.monitor import Monitor

IMAGES = 1000  # a share to one or two points, in less time than a few updates


class CleanAccuracyMonitor(Monitor):
    """Adds "clean_accuracy" to the logs of every checkpoint interval.

    Args:
        examples: `Examples` of the training; the first thousand are classified, not augmented.
        batch_size: images classified together.
    """

    def __init__(self, examples, *, batch_size):
        super().__init__()
        self.examples, self.batch_size = examples.take(IMAGES), batch_size

    @functools.cached_property
    def _classify(self):
        logits_fn = output_of(self.model.network, "logits")
        return CompiledBatch(classify_attacked(logits_fn, self.examples.labels))

    def on_interval_end(self, logs):
        settings = {"title": "clean", "batch_size": self.batch_size, "delay": SOON}
        try:
            (run,) = attack_loop(self._classify, self.examples, **settings)
        except RunError:
            return  # outputs that are not finite: the next step names the term of the loss
        logs["clean_accuracy"] = float(run["correct"].mean())
