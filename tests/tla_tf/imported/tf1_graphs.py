"""The TensorFlow 1 models as graphs whose variables bear the published names.

Written after the published list of variables, independently of our networks. All weights are
random, moving statistics included.
"""

import math

import tensorflow as tf

v1 = tf.compat.v1
LEAKY = 0.1


def variable(scope, shape, low=-0.3, high=0.3):
    initial = v1.random_uniform_initializer(low, high)
    return v1.get_variable(scope, shape, initializer=initial)


def kernel(scope, shape):
    initial = v1.random_normal_initializer(stddev=deviation(shape))
    return v1.get_variable(f"{scope}/DW", shape, initializer=initial)


def deviation(shape):
    return math.prod(shape[:-1]) ** -0.5


def flatten(x):
    return tf.reshape(x, [-1, math.prod(x.shape[1:])])


def batch_norm(x, scope):
    size = [x.shape[-1]]
    beta, mean = variable(f"{scope}/beta", size), variable(f"{scope}/moving_mean", size)
    gamma = variable(f"{scope}/gamma", size, 0.5, 1.5)
    variance = variable(f"{scope}/moving_variance", size, 0.5, 1.5)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 0.001)


def convolve(x, scope, size, channels, stride=1):
    weights = kernel(scope, [size, size, x.shape[-1], channels])
    return tf.nn.conv2d(x, weights, stride, "SAME")


def dense(x, scope, bias, size):
    return x @ kernel(scope, [x.shape[-1], size]) + variable(f"{bias}/biases", [size])


def wide_resnet(pixels, classes, units=1, width=1):
    def active(x, scope):
        return tf.nn.leaky_relu(batch_norm(x, f"{scope}/BatchNorm"), LEAKY)

    x = tf.image.per_image_standardization(pixels)
    x = convolve(x, "input/init_conv", 3, 16)
    for stage in 1, 2, 3:
        channels = 16 * width * 2 ** (stage - 1)
        for unit in range(units):
            name, first = f"unit_{stage}_{unit}", stage == 1 and unit == 0
            stride = 2 if stage > 1 and unit == 0 else 1
            scope = "shared_activation" if first else "residual_only_activation"
            activated = active(x, f"{name}/{scope}")
            shortcut = activated if first else x
            r = convolve(activated, f"{name}/sub1/conv1", 3, channels, stride)
            r = convolve(active(r, f"{name}/sub2"), f"{name}/sub2/conv2", 3, channels)
            more = channels - shortcut.shape[-1]
            shortcut = tf.nn.avg_pool2d(shortcut, stride, stride, "VALID")
            x = r + tf.pad(shortcut, [[0, 0]] * 3 + [[more // 2, more // 2]])
    embedding = tf.reduce_mean(active(x, "unit_last"), [1, 2])
    return embedding, dense(embedding, "logit", "logit", classes)


def tiny_resnet(pixels, classes, units, kernels):
    def active(x, scope):
        return tf.nn.relu(batch_norm(x, f"{scope}/BatchNorm"))

    x = tf.image.per_image_standardization(pixels)
    x = active(convolve(x, "input/init_conv", 7, 64), "input")
    for stage, count in enumerate(units, start=1):
        width = 64 * 2 ** (stage - 1)
        for unit in range(count):
            name = f"unit_{stage}_{unit}"
            stride = 2 if stage > 1 and unit == 0 else 1
            channels = width * (4 if len(kernels) == 3 else 1)
            r = x
            for number, size in enumerate(kernels, start=1):
                scope = "residual_only_activation" if number == 1 else f"sub{number}"
                out = channels if number == len(kernels) else width
                step = stride if number == 1 else 1
                conv = f"{name}/sub{number}/conv{number}"
                r = convolve(active(r, f"{name}/{scope}"), conv, size, out, step)
            if unit == 0:
                x = convolve(x, f"{name}/sub_add/conv1s", 1, channels, stride)
            x = x + r
    embedding = tf.reduce_mean(active(x, "unit_last"), [1, 2])
    return embedding, dense(embedding, "logit", "logit", classes)


def large_lenet(image, classes):
    x = image
    blocks = [("w1", "b1", 32), ("w11", "b11", 64), ("w2", "b2", 128), ("w21", "b21", 256)]
    for number, (name, bias, filters) in enumerate(blocks):
        x = convolve(x, f"conv_{name}", 3, filters) + variable(f"{bias}/biases", [filters])
        x = tf.nn.relu(batch_norm(x, f"BatchNorm_{number}" if number else "BatchNorm"))
        x = tf.nn.max_pool2d(x, 2, 2, "SAME") if number % 2 else x
    x = dense(flatten(x), "fcw1", "fcb1", 1024)
    embedding = tf.nn.relu(batch_norm(x, "BatchNorm_4"))
    return embedding, dense(embedding, "fcw2", "fcb2", classes)


def small_lenet(image, classes):
    x = image
    for name, bias, filters in [("conv_w1", "b1", 32), ("conv_w2", "b2", 64)]:
        x = tf.nn.relu(convolve(x, name, 5, filters) + variable(f"{bias}/biases", [filters]))
        x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    embedding = tf.nn.relu(dense(flatten(x), "fcw1", "fcb1", 1024))
    return embedding, dense(embedding, "fcw2", "fcb2", classes)


def madry_lenet(image, classes):
    """Variables without a name: their order is the only key."""

    def parameters(*shape):
        weights = v1.Variable(tf.random.normal(shape, stddev=deviation(shape)))
        return weights, v1.Variable(tf.random.uniform(shape[-1:], -0.3, 0.3))

    x = image
    for filters in 32, 64:
        weights, bias = parameters(5, 5, x.shape[-1], filters)
        x = tf.nn.relu(tf.nn.conv2d(x, weights, 1, "SAME") + bias)
        x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = flatten(x)
    weights, bias = parameters(x.shape[-1], 1024)
    embedding = tf.nn.relu(x @ weights + bias)
    weights, bias = parameters(1024, classes)
    return embedding, embedding @ weights + bias


def mlp(image, classes):
    x = flatten(image)
    for number, (name, bias) in enumerate([("w1", "b1"), ("conv_w11", "b11"), ("fcw1", "fcb1")]):
        x = dense(x, name, bias, 1024)
        x = tf.nn.relu(batch_norm(x, f"BatchNorm_{number}" if number else "BatchNorm"))
    return x, dense(x, "fcw2", "fcb2", classes)
