"""A run folder whose training has ended, as evaluation, export and fine-tuning see it."""

from robust_tf.models import registry as models
from robust_tf.runs import finished_run


class FinishedRun(finished_run.FinishedRun):
    """The run of a classifier."""

    command = "tla_tf.train"
    own_flag = "method"

    @property
    def method(self):
        return self.flags["method"]

    def build_network(self):
        # Older runs have biased variances.
        variance = self.flags.get("bn_variance", "biased")
        return models.get(self.flags["model"], self.info, variance)


def ball(flags, eps=None, norm=None):
    """Returns the `ThreatModel` of a training, or of an attack's flags, see `attacked_ball`."""
    return finished_run.attacked_ball(flags["eps"], flags["norm"], eps, norm)
