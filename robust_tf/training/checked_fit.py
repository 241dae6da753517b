"""`fit`, `evaluate`, `predict` of Keras with checked batches; no XLA where it refuses a step."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import REFUSAL, assertion, warn_of_refusal
from robust_tf.training.batch import (
    check_arrays,
    checked,
    checked_images,
    drawn_twice,
    refuse_empty,
    refuse_names,
    told_in_a_line,
)
from robust_tf.training.compile_checks import require_trained_as_compiled


class CheckedFit(keras.Model):
    """A `keras.Model` that refuses a wrong batch in one line.

    A step under XLA has no assertions. Arrays are then checked as a whole, and a subclass lets
    `_check_batches_of` check the rest. Without XLA the steps of the subclass make the checks.
    """

    _attack_by_xla = False  # whether XLA compiles the attack of a step that it cannot compile
    _trained = None  # `trainable_now` at `compile`

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras. A train step that XLA refuses is trained without XLA.

        Raises:
            UserError: images outside [0, 1], labels of no class or, in either set, text; weights
                that were frozen or unfrozen after `compile`.
        """
        require_trained_as_compiled(self, self._trained)
        given = inspect.signature(super().fit).bind(x, *args, **kwargs).arguments
        held_out = given.get("validation_data")
        if isinstance(held_out, (tuple, list)) and len(held_out) > 1 and held_out[1] is not None:
            refuse_names(held_out[1])  # Keras would look at them after the first epoch
        return self._with_xla_if_it_can("the train step", super().fit, x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in Keras. A test step that XLA refuses goes on without XLA, as the train step then.

        Raises:
            UserError: images outside [0, 1], labels of no class.
        """
        return self._with_xla_if_it_can("the test step", super().evaluate, x, *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with the checks of `fit`, and without XLA where XLA refuses the step.

        Raises:
            UserError: as `fit`.
        """
        require_trained_as_compiled(self, self._trained)
        method = super().train_on_batch
        return self._with_xla_if_it_can("the train step", method, x, *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As `train_on_batch`, of the test step."""
        method = super().test_on_batch
        return self._with_xla_if_it_can("the test step", method, x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> dict[str, np.ndarray]:
        """As in Keras, of batches as `fit` takes them; labels are not read.

        Raises:
            UserError: images outside [0, 1]; XLA does not check the images of a dataset.
        """
        with told_in_a_line():
            check_arrays(x)
            return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> dict[str, np.ndarray]:
        """As `predict`, of one batch."""
        with told_in_a_line():
            check_arrays(x)
            return super().predict_on_batch(x)

    def predict_step(self, data):
        return self(checked_images(data), training=False)

    def _classes(self):
        """The number of classes of a label; None: any integer is a label."""

    def _with_xla_if_it_can(self, title, method, x, *args, **kwargs):
        """Calls a method of Keras; where XLA refuses its step, once more without XLA."""
        labels = args[0] if args else kwargs.get("y")
        if labels is not None:
            refuse_names(labels)
        refuse_empty(x)
        with told_in_a_line():
            if not self.compiled or not (self.jit_compile or self._attack_by_xla):
                return method(x, *args, **kwargs)
            check_arrays(x, labels, self._classes())
            self._stepped, again, state = False, x, self._state_of_a_refused_step()
            if inspect.isgenerator(x):
                if kwargs.pop("_use_cached_eval_dataset", False):  # a validation of `fit`
                    # Keras has drawn the first batches from x, for an iterator that it keeps.
                    x = self._eval_epoch_iterator.data_adapter.generator()
                x, again = drawn_twice(x, lambda: self._stepped)
            try:
                return method(x, *args, **kwargs)
            except REFUSAL as error:
                if self._stepped or assertion(error):
                    raise
                warn_of_refusal(title, error)
            self.jit_compile = self._attack_by_xla = False
            for variable, value in state:
                variable.assign(value)
            self.make_train_function(force=True)
            self.make_test_function(force=True)
            return method(again, *args, **kwargs)

    def _state_of_a_refused_step(self):
        """(variable, value) of what a step moves, perhaps, although XLA refuses the attack in it.

        Trained weights and the optimiser's averages wait for the attack. Once a step has been made,
        XLA does not refuse it.
        """
        if not self._attack_by_xla or self.train_function is not None:
            return []
        variables = *self.non_trainable_variables, *self.metrics_variables
        return [(v, v.numpy()) for v in (*variables, self.optimizer.iterations)]

    def _make_function(self, step_function):
        """As in Keras. A step that has run is noted: XLA does not refuse it any more."""
        function = super()._make_function(step_function)

        def noted(iterator):
            shown = function(iterator)
            self._stepped = True
            return shown

        return noted

    def _check_batches_of(self, iterator):
        """Lets an iterator of Keras draw checked batches; arrays were checked as a whole."""
        if type(iterator.data_adapter).__name__ == "ArrayDataAdapter":
            return
        batches = iterator.data_adapter.get_tf_dataset()
        if isinstance(batches, tf.data.Dataset):  # and not distributed by the caller
            distribute = self.distribute_strategy.experimental_distribute_dataset
            iterator._distributed_dataset = distribute(checked(batches, self._classes()))
