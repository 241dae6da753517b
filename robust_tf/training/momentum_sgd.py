"""SGD with momentum as TensorFlow 1 defined it."""

import keras


@keras.saving.register_keras_serializable("robust_tf")
class MomentumSGD(keras.optimizers.Optimizer):
    """v <- momentum * v + g;  w <- w - learning_rate * v.

    Nesterov: w <- w - learning_rate * (g + momentum * v), with the new v.

    Keras folds the learning rate into v: after a drop of the rate it keeps the old velocity for
    some steps. The published recipes were tuned with the form of this class.

    Args:
        learning_rate: float or a learning-rate schedule of Keras.
        momentum: float in [0, 1).
        nesterov: whether the step looks ahead.
    """

    def __init__(self, learning_rate, momentum=0.9, nesterov=False, name="momentum_sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = [
            self.add_variable_from_reference(variable, name="velocity") for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        gradient = keras.ops.cast(gradient, variable.dtype)
        velocity = self.velocities[self._get_variable_index(variable)]
        momentum = keras.ops.cast(self.momentum, variable.dtype)
        self.assign(velocity, velocity * momentum + gradient)
        step = gradient + momentum * velocity if self.nesterov else velocity
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * step)

    def get_config(self):
        settings = {"momentum": self.momentum, "nesterov": self.nesterov}
        return {**super().get_config(), **settings}
