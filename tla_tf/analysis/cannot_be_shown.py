"""What ends one output of an analysis and no other."""

from robust_tf.errors import RunError


class CannotBeShown(RunError):
    """These images, under this attack, have nothing that the output could show."""
