"""A run folder whose training has ended, as evaluation, export and fine-tuning see it."""

from robust_tf.errors import UserError
from robust_tf.models import registry as models
from robust_tf.runs import finished_run
from robust_tf.threat_model import ThreatModel


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
    """Returns the `ThreatModel` of a training, or of the radius and the norm that are given.

    Args:
        flags: dict of the flags of the training.
        eps, norm: flags of the attack; None: of the training.

    Raises:
        UserError: another norm without a radius, an L-infinity radius above 1.
    """
    own = flags["norm"]
    if eps is None and norm not in (None, own):
        raise UserError(f"--norm={norm} needs --eps: {flags['eps']} is a radius in {own}")
    found = ThreatModel(flags["eps"] if eps is None else eps, norm or own)
    if found.norm == "linf" and found.eps > 1:
        size = f"{found.eps:g}"
        raise UserError(f"--eps={size}: pixels are in [0, 1]; did you mean {size}/255?")
    return found
