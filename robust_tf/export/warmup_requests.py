"""Warm-up requests, which TensorFlow Serving plays before a version answers the first client."""

import numpy as np
import tensorflow as tf

PLACE = "assets.extra/tf_serving_warmup_requests"


def write_warmup_requests(path, endpoints, info):
    """Writes one request of a single gray image for every endpoint.

    Args:
        path: pathlib.Path, folder of the SavedModel.
        endpoints: list of `Endpoint`.
        info: `DatasetInfo` of the training.
    """
    place = path / PLACE
    place.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(place)) as file:
        for endpoint in endpoints:
            file.write(_log(endpoint, example_input(endpoint.spec, info)))


def example_input(spec, info):
    """Returns a valid input of an endpoint, one gray image.

    Args:
        spec: tf.TensorSpec of the input.
        info: `DatasetInfo` of the training.
    """
    pixels = np.full(info.image_shape, 128, np.uint8)
    if spec.dtype == tf.string:
        return np.array([tf.io.encode_png(pixels).numpy()], object)
    images = pixels[None]
    return images if spec.dtype == tf.uint8 else images.astype(np.float32) / np.float32(255)


def _log(endpoint, value):
    """PredictionLog{predict_log{request}} of tensorflow_serving/apis, as bytes.

    The package of these messages would pull in the whole of TensorFlow a second time.
    """
    # PredictRequest: 1 model_spec {3 signature_name}, 2 inputs, a map from name to TensorProto.
    tensor = tf.make_tensor_proto(value).SerializeToString()
    inputs = _field(1, endpoint.spec.name.encode()) + _field(2, tensor)
    request = _field(1, _field(3, endpoint.name.encode())) + _field(2, inputs)
    # PredictionLog: 6 predict_log {1 request}.
    return _field(6, _field(1, request))


def _field(number, content):
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value):
    found = bytearray()
    while value > 127:
        found.append(value % 128 | 128)
        value //= 128
    return bytes([*found, value])
