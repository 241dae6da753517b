"""The outputs of tla_tf.analyze: how each is made, and what it needs."""

import collections
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from robust_tf.errors import UserError, with_closest
from tla_tf.analysis import analysis_tables, retrieval_figure
from tla_tf.analysis.accuracy_over import accuracy_over_eps, accuracy_over_steps
from tla_tf.analysis.detection_figure import figure5
from tla_tf.analysis.embedding_figures import figure1, figure2


class Output(NamedTuple):
    """A table or figure.

    Attributes:
        make: function that records the numbers of a list of `AnalyzedRun`. It returns the figure
            with what this plots, or None; its further arguments are flags.
        neighbours, per_class: natural training images that it needs, in all and of every class.
    """

    make: Callable
    neighbours: int = 0
    per_class: int = 0

    @property
    def of_train(self):
        """Whether it needs training images."""
        return bool(self.neighbours or self.per_class)

    def lacks(self, train, class_names):
        """Returns the `UserError` of too few training images, or None.

        Args:
            train: `Examples`, None where nobody needs them.
            class_names: tuple of str.
        """
        if not self.of_train:
            return None
        if len(train) < self.neighbours:
            return UserError(
                f"{self.neighbours} nearest neighbours need as many training images, not "
                f"{len(train)}; raise --limit_train"
            )
        for label, count in sorted(collections.Counter(np.asarray(train.labels).tolist()).items()):
            if count < self.per_class:
                return UserError(
                    f"a Gaussian needs {self.per_class} training images of every class, class "
                    f"{class_names[label]} has {count}; raise --limit_train"
                )
        return None


OUTPUTS = {
    "table2": Output(analysis_tables.table2),
    "table3": Output(analysis_tables.table3, neighbours=analysis_tables.NEIGHBOURS),
    "figure1": Output(figure1),
    "figure2": Output(figure2),
    "figure4": Output(retrieval_figure.figure4, neighbours=retrieval_figure.NEIGHBOURS),
    "figure5": Output(figure5, per_class=2),
    "accuracy_over_eps": Output(accuracy_over_eps),
    "accuracy_over_steps": Output(accuracy_over_steps),
}


def outputs_of(names):
    """Returns dict name -> `Output`, each once; `UserError` of unknown names."""
    unknown = [with_closest(name, OUTPUTS) for name in names if name not in OUTPUTS]
    if unknown or not names:
        raise UserError(
            f"--outputs: {'unknown ' + ', '.join(unknown) if unknown else 'nothing was named'}; "
            f"allowed: {', '.join(OUTPUTS)}"
        )
    return {name: OUTPUTS[name] for name in names}
