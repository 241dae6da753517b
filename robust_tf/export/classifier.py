"""The outputs of a served classifier."""

import tensorflow as tf


def classifier_answer(network, class_names):
    """Returns the function of a classifier's answers.

    Args:
        network: keras.Model with the outputs "logits" and "embedding".
        class_names: one name per logit.

    Returns:
        Function, float32 [n, h, w, c] in [0, 1] -> dict of logits and probabilities
        (float32 [n, classes]), class (int64 [n]), class_name (string [n]) and embedding
        (float32 [n, d]).
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
