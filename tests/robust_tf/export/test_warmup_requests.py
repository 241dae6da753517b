"""The warm-up file, read back with descriptors of TensorFlow Serving's messages and played."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.export.endpoints import image_endpoints
from robust_tf.export.saved_model import write_saved_model
from robust_tf.export.warmup_requests import PLACE, write_warmup_requests

INFO = DatasetInfo("toy", (8, 6, 3), ("one", "two"), {}, "")
# The fields of tensorflow_serving/apis/{model,predict,prediction_log}.proto that a request needs; a
# map is a list of entries with a key and a value.
MESSAGES = """
name: "log.proto" package: "of_test" dependency: "tensorflow/core/framework/tensor.proto"
message_type { name: "ModelSpec"
  field { name: "signature_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Input"
  field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "value" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL
          type_name: ".tensorflow.TensorProto" } }
message_type { name: "PredictRequest"
  field { name: "model_spec" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
          type_name: ".of_test.ModelSpec" }
  field { name: "inputs" number: 2 type: TYPE_MESSAGE label: LABEL_REPEATED
          type_name: ".of_test.Input" } }
message_type { name: "PredictLog"
  field { name: "request" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
          type_name: ".of_test.PredictRequest" } }
message_type { name: "PredictionLog"
  field { name: "predict_log" number: 6 type: TYPE_MESSAGE label: LABEL_OPTIONAL
          type_name: ".of_test.PredictLog" } }
"""


@pytest.fixture(scope="module")
def prediction_log():
    """The class of the messages in the file."""
    pool = descriptor_pool.Default()
    pool.Add(text_format.Parse(MESSAGES, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("of_test.PredictionLog"))


def test_every_endpoint_gets_a_request_that_it_answers(tmp_path, prediction_log):
    image = keras.Input(INFO.image_shape)
    network = keras.Model(image, {"map": keras.layers.Conv2D(2, 3)(image)})
    endpoints = image_endpoints(lambda images: network(images), INFO, "Filters")
    write_saved_model(tmp_path, endpoints)
    write_warmup_requests(tmp_path, endpoints, INFO)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    answers = {}
    for record in tf.data.TFRecordDataset(str(tmp_path / PLACE)):
        request = prediction_log.FromString(record.numpy()).predict_log.request
        name, (given,) = request.model_spec.signature_name, request.inputs
        value = tf.constant(tf.make_ndarray(given.value))
        answers[name] = signatures[name](**{given.key: value})["map"].numpy()
    assert answers.keys() == {endpoint.name for endpoint in endpoints}
    for answer in answers.values():  # a gray image each
        np.testing.assert_allclose(answer, answers["serving_default"], atol=1e-6)
