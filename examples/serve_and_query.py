"""Writes the file of train_a_defense.py as a SavedModel, queries it and attacks it.

python examples/serve_and_query.py robust.keras served
docker run -p 8501:8501 -e MODEL_NAME=served -v $PWD/served:/models/served tensorflow/serving

A run of `python -m tla_tf.train` is exported with endpoints that refuse malformed requests, a model
card and checks: `python -m tla_tf.export`, see docs/serving.md.
"""

import argparse
import os

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

import tla_tf
from robust_tf import robust_accuracy


def main(argv=None):
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("file", help="robust.keras of train_a_defense.py")
    flags.add_argument("folder", help="folder of the versions of the SavedModel")
    flags.add_argument("--images", type=int, default=100)
    given = flags.parse_args(argv)
    tla_tf.TripletAdversarial  # the first use registers the class that the file names
    model = keras.models.load_model(given.file)
    version, images = os.path.join(given.folder, "1"), keras.InputSpec("float32", (None, 8, 8, 1))
    model.network.export(version, input_signature=[images])
    digits = load_digits()
    x = (digits.images[-given.images :, ..., None] / 16).astype("float32")
    y = digits.target[-given.images :]
    served = tf.saved_model.load(version)
    print("classes:", served.serve(x[:5])["logits"].numpy().argmax(1), "labels:", y[:5])
    print(robust_accuracy(version, x, y, attack="pgd20", eps=0.15))


if __name__ == "__main__":
    main()
