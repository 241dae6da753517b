"""A run folder whose training has ended, as evaluation and export see it."""

import functools
import types

from hm_tf import config
from hm_tf.ranking_attacks.registry import PROFILES, Profile
from robust_tf.data import class_disjoint
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.runs import finished_run


class FinishedRun(finished_run.FinishedRun):
    """The run of an embedding network; `options` has the flags of its training as attributes."""

    command = "hm_tf.train"
    own_flag = "defense"

    def __init__(self, workdir, data_dir=None):
        super().__init__(workdir, data_dir)
        self.options = types.SimpleNamespace(**self.flags)

    @functools.cached_property
    def train_classes(self):
        """The names of the classes that --train_classes gave the training, None without it."""
        kept, path = self.folder.read_train_classes(), self.options.train_classes
        # Runs of older versions name the file alone.
        return class_disjoint.read_classes(path) if kept is None and path is not None else kept

    def build_network(self):
        return get_embedding(self.options.model, self.info, self.options.bn)

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        return self._side("test").take(limit)

    def training_images(self, limit=None):
        """Returns the first `limit` images of the training classes, None for all."""
        return self._side("train").take(limit)

    def attack(self, steps=None, step_size=None, eps=None, profile="run"):
        """Returns the `PGD` of the evaluation, from the image itself.

        Args:
            steps, step_size, eps: as of the flags; None takes that of the profile.
            profile: "run", as its own flags say, or a name of `ranking_attacks.registry.PROFILES`.
        """
        own = self.options
        base = Profile(own.eps, own.eval_step_size, own.eval_steps)
        base = base if profile == "run" else PROFILES[profile]
        options = types.SimpleNamespace(eps=base.eps if eps is None else eps)
        return config.attack(
            options, steps or base.steps, base.step_size if step_size is None else step_size
        )

    @property
    def facts(self):
        """What the records of all its measurements say."""
        options = self.options
        return {
            "dataset": options.dataset,
            "method": config.title(options),
            "training_seed": options.seed,
        }

    def _side(self, side):
        return class_disjoint.load_side(self.dataset, side, self.train_classes)
