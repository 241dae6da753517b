"""A run folder whose training has ended, as evaluation and export see it."""

import functools

from hm_tf.defenses.method_name import title_of
from hm_tf.ranking_attacks.registry import PROFILES, Profile
from robust_tf.data import class_disjoint
from robust_tf.data.text_lines import read_names
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.runs import finished_run


class FinishedRun(finished_run.FinishedRun):
    """The run of an embedding network."""

    command = "hm_tf.train"
    own_flag = "defense"

    @functools.cached_property
    def train_classes(self):
        """The names of the classes that --train_classes gave the training, None without it."""
        kept, path = self.folder.read_train_classes(), self.flags.get("train_classes")
        # Runs of older versions name the file alone.
        return read_names(path, "train_classes") if kept is None and path is not None else kept

    def build_network(self):
        return get_embedding(self.flags["model"], self.info, self.flags["bn"])

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        return self._side("test", limit)

    def training_images(self):
        """Returns the images of the training classes, `Examples`."""
        return self._side("train")

    def attack(self, steps=None, step_size=None, eps=None, profile="run", norm=None):
        """Returns the `PGD` of the evaluation, from the image itself.

        Args:
            steps, step_size, eps, norm: Values of the flags; None takes the profile's value.
            profile: "run", as its own flags say, or a name of `ranking_attacks.registry.PROFILES`.
        """
        own = (self.flags[name] for name in ("eps", "eval_step_size", "eval_steps"))
        # Older runs are L-inf.
        base = PROFILES.get(profile) or Profile(*own, norm=self.flags.get("norm", "linf"))
        return base.attack(steps, step_size, eps, norm)

    @property
    def method(self):
        return title_of(self.flags)

    def _side(self, side, limit=None):
        return class_disjoint.load_side(self.dataset, side, self.train_classes, limit)
