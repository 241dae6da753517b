"""Says at once when a network maps all images to one embedding, as hard triplets can make it."""

import shutil
import warnings

import keras
import numpy as np

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from robust_tf.errors import RunError
from robust_tf.evaluation.retrieval import chance_recall, retrieve
from robust_tf.results.result import wilson_interval
from robust_tf.runs.checkpoints import folder_name
from robust_tf.runs.monitor import Monitor

# Of healthy runs it is above 0.3. The collapsed run of HM's table 4 has a cosine of 1.000 between
# random images.
SMALL_SPREAD = 0.05
MOST_TRIPLETS = 0.9
# In a row: a single batch of one class may look collapsed.
PATIENCE = 10
# The same of slices: a network may need an interval to learn anything.
SLICE_PATIENCE = 2


def batch_collapsed(spread, at_margin):
    """Whether embeddings lie together and the loss of most triplets is the margin.

    Args:
        spread: mean distance of two embeddings, in [0, 2].
        at_margin: share of triplets whose loss is the margin, in [0, 1].
    """
    return spread < SMALL_SPREAD and at_margin > MOST_TRIPLETS


class CollapseGuard(Monitor):
    """Watches every update, and a slice of images after every checkpoint interval.

    Adds "<kind>_recall" and "<kind>_spread" of the slice to the logs of the interval.

    Args:
        cause: str, the likely cause to name.
        stop: whether a collapse ends training; otherwise it is reported once.
        watched: `Examples`, the slice, with two images of one class; None for none.
        kind: what these are, "held_out" or "training".
        batch_size: watched images per embedded batch.
    """

    def __init__(self, *, cause, stop=False, watched=None, kind="held_out", batch_size=128):
        super().__init__()
        self.cause = cause
        self.stop = stop
        self.watched = watched
        self.kind = kind
        self.batch_size = batch_size
        self._reported = False
        self._in_a_row = 0
        self._at_chance = []
        self._of_batch = None

    def on_epoch_begin(self, epoch, logs=None):
        self._count, self._sums = 0, {"spread": 0.0, "at_margin": 0.0}

    def on_interval_resumed(self, updates, means):
        self._count = updates
        self._sums = {name: means[name] * updates for name in self._sums}

    def on_updates(self, logs):
        for step, means in enumerate(logs, self._step() - len(logs) + 1):
            collapsed = batch_collapsed(**self._of_this_update(means))
            self._in_a_row = self._in_a_row + 1 if collapsed else 0
            if self._in_a_row == PATIENCE:
                first = step - PATIENCE + 1
                # What an update shows is of the weights before it.
                self._report(
                    first - 1, f"collapse: from step {first} on all images get about one embedding"
                )

    def on_interval_end(self, logs):
        if self.watched is None:
            return
        self._of_batch = self._of_batch or embedding_of_batch(self.model.network)
        embeddings = embed(self._of_batch, self.watched, self.batch_size)
        correct = retrieve(embeddings, self.watched.labels).recall_at(1)
        logs[f"{self.kind}_recall"] = float(correct.mean())
        logs[f"{self.kind}_spread"] = float(np.mean(_distances(embeddings)))
        chance = chance_recall(self.watched.labels)
        lowest = wilson_interval(int(correct.sum()), len(correct))[0]
        step = self._step()
        self._at_chance = [*self._at_chance, step] if lowest <= chance else []
        if len(self._at_chance) == SLICE_PATIENCE:
            recall = f"{100 * correct.mean():.1f} %, no better than chance ({100 * chance:.1f} %)"
            images = {"held_out": "held-out", "training": "training"}[self.kind]
            self._report(
                self._at_chance[0],
                f"at step {step} R@1 of {len(correct)} {images} images is {recall}",
            )

    def _step(self):
        # On several replicas the variable is no number for int().
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def _of_this_update(self, logs):
        """Keras shows the means since the interval began."""
        self._count += 1
        sums = {name: logs[name] * self._count for name in self._sums}
        values = {name: value - self._sums[name] for name, value in sums.items()}
        self._sums = sums
        return values

    def _report(self, step, what):
        """Once; step: how many updates the first weights have had that show it."""
        if self._reported:
            return
        self._reported = True
        cause = self.cause if step else "the initial weights"
        message = f"{what}; likely cause: {cause}; {self._keep(step)}"
        if self.stop:
            raise RunError(message)
        warnings.warn(f"{message}; --on_collapse=stop ends such a run", stacklevel=2)

    def _keep(self, step):
        """Keeps the last checkpoint before `step`, whatever comes later; says which it is."""
        steps, directory = self.checkpoints.steps(), self.checkpoints.directory
        good = max((number for number in steps if number < step), default=None)
        if good is None:
            found = "there is no checkpoint from before"
            return f"{found}; those that are kept show it, too" if steps else found
        if self.stop:
            for number in steps:
                if number > good:
                    shutil.rmtree(directory / folder_name(number))
            return f"checkpoint of step {good} is kept"
        kept = directory / f"before-collapse-{good:08d}"
        shutil.copytree(directory / folder_name(good), kept, dirs_exist_ok=True)
        return f"the checkpoint of step {good} is kept as {kept}"


def _distances(embeddings):
    """Distances of neighbouring rows in a random order: a sample of all pairs."""
    order = np.random.default_rng(0).permutation(len(embeddings))
    return np.linalg.norm(embeddings[order] - embeddings[np.roll(order, 1)], axis=1)
