"""The two ways a run can end badly; the entry points turn them into one line and an exit code."""

INTERRUPTED = 130  # exit code of a command that Ctrl-C stopped


class UserError(Exception):
    """A mistake of the user's that can be known beforehand. Exit code 2.

    The message is one line: the mistake, the allowed values, and the remedy.
    """


class RunError(Exception):
    """Something failed on the way (loss not finite, disk full, broken download). Exit code 1."""
