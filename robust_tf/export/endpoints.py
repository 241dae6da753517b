"""The endpoints of a SavedModel: what goes in, what comes out, and the guard between."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from robust_tf.data.image_header import FORMATS
from robust_tf.export.encoded_images import decoded_images
from robust_tf.export.guard import guarded_images, guarded_pixels


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One signature of a SavedModel.

    Attributes:
        name: Name of the signature.
        function: tensor of `spec` -> dict of the outputs, the guard included.
        spec: tf.TensorSpec of the input; its name is the name in a request.
        about: one sentence for the model card.
    """

    name: str
    function: Callable
    spec: tf.TensorSpec
    about: str


def image_endpoints(answer, info, does):
    """Returns the endpoints of one answer for float images, raw pixels and image files.

    Args:
        answer: function, float32 [n, h, w, c] in [0, 1] -> dict of the outputs.
        info: `DatasetInfo` of the training.
        does: what the answer does with an image, a verb.
    """
    shape = info.image_shape
    return [
        float_endpoint("serving_default", answer, shape, f"{does} images with values in [0, 1]."),
        uint8_endpoint("uint8", answer, shape, f"{does} images of raw pixels, 0 to 255."),
        encoded_endpoint("encoded", answer, info, f"{does} files of {FORMATS}."),
    ]


def float_endpoint(name, answer, image_shape, about):
    """Returns the `Endpoint` of float images in [0, 1].

    Args:
        name: Name of the signature.
        answer: function, float32 [n, h, w, c] in [0, 1] -> dict of the outputs.
        image_shape: (h, w, c).
        about: see `Endpoint`.
    """

    def function(image):
        return answer(guarded_images(image, image_shape))

    spec = tf.TensorSpec([None, *image_shape], tf.float32, name="image")
    return Endpoint(name, function, spec, about)


def uint8_endpoint(name, answer, image_shape, about):
    """Returns the `Endpoint` of raw pixels, uint8 in 0..255; see `float_endpoint` for arguments."""

    def function(image):
        return answer(tf.cast(guarded_pixels(image, image_shape), tf.float32) / 255.0)

    spec = tf.TensorSpec([None, *image_shape], tf.uint8, name="image")
    return Endpoint(name, function, spec, about)


def encoded_endpoint(name, answer, info, about):
    """Returns the `Endpoint` of encoded images, see `decoded_images`.

    Args:
        name, answer, about: See `float_endpoint`.
        info: `DatasetInfo` of the training.
    """

    def function(encoded):
        return answer(decoded_images(encoded, info))

    return Endpoint(name, function, tf.TensorSpec([None], tf.string, name="encoded"), about)


def classifier_answer(network, class_names):
    """Returns the function of a classifier's answers.

    Args:
        network: keras.Model with the outputs "logits" and "embedding".
        class_names: one name per logit.

    Returns:
        Function, float32 [n, h, w, c] in [0, 1] -> dict. Its entries are logits and probabilities,
        float32 [n, classes]; class, int64 [n]; class_name, string [n]; embedding, float32 [n, d].
    """

    def answer(images):
        outputs = network(images, training=False)
        winner = tf.argmax(outputs["logits"], axis=1)
        return {
            "logits": outputs["logits"],
            "probabilities": tf.nn.softmax(outputs["logits"]),
            "class": winner,
            "class_name": tf.gather(tf.constant(class_names), winner),
            "embedding": outputs["embedding"],
        }

    return answer
