"""SGD with momentum as TensorFlow 1 defined it."""

import keras


@keras.saving.register_keras_serializable("robust_tf")
class MomentumSGD(keras.optimizers.Optimizer):
    """v <- momentum * v + g;  w <- w - learning_rate * v.

    Keras folds the learning rate into v, so after a drop of the rate it goes on for some steps with
    the velocity of the old one. The published recipes were tuned with this form.

    Args:
        learning_rate: float or a learning-rate schedule of Keras.
        momentum: float in [0, 1).
    """

    def __init__(self, learning_rate, momentum=0.9, name="momentum_sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

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
        self.assign(velocity, velocity * keras.ops.cast(self.momentum, variable.dtype) + gradient)
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * velocity)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}
