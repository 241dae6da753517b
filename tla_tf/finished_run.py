"""A run folder whose training has ended, as evaluation, export and fine-tuning see it."""

from robust_tf.errors import UserError
from robust_tf.models import registry as models
from robust_tf.runs import finished_run


class FinishedRun(finished_run.FinishedRun):
    """The run of a classifier."""

    command = "tla_tf.train"
    own_flag = "method"

    def build_network(self):
        return models.get(self.flags["model"], self.info)

    def require(self, **expected):
        """Raises UserError unless the run has these flags, e.g. dataset and model."""
        for name, value in expected.items():
            if self.flags[name] != value:
                raise UserError(
                    f"{self.folder.path} was trained with --{name}={self.flags[name]}, not {value}"
                )
