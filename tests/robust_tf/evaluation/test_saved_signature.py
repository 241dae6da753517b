"""What a SavedModel or a Keras file says of the images that it takes."""

import pytest
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.evaluation.saved_signature import SavedSignature


@pytest.mark.parametrize(
    "shape, said",
    [
        ([None, 3, 32, 32], "images are 8x8x1; channels come last here$"),
        ([None, 3, 3, 3], "images are 8x8x1$"),
        ([None, 64], "images are 8x8x1$"),
    ],
)
def test_images_of_another_shape(shape, said):
    signature = SavedSignature.__new__(SavedSignature)
    signature.path, signature.endpoint, signature.shape = "net", "serve", tf.TensorShape(shape)
    with pytest.raises(UserError, match=said):
        signature.require((8, 8, 1), "logits")
