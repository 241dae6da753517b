"""Trains TLA on arrays with plain Keras, measures its robust accuracy, saves and loads it.

python examples/train_a_defense.py --epochs=20
"""

import argparse

import keras
from keras import layers
from sklearn.datasets import load_digits

from robust_tf import robust_accuracy
from tla_tf import TripletAdversarial


def main(argv=None):
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--epochs", type=int, default=20)
    flags.add_argument("--save_to", default="robust.keras")
    given = flags.parse_args(argv)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype("float32"), digits.target  # pixels in [0, 1]
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(32, 3, activation="relu"), layers.Flatten()]
        + [layers.Dense(64, activation="relu"), layers.Dense(10)]
    )
    # The triplet loss compares the input of the last dense layer.
    model = TripletAdversarial(network, eps=0.15, recipe="digits")
    model.compile("adam")
    stop = keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max", patience=5)
    model.fit(
        x[:1400], y[:1400], epochs=given.epochs, validation_split=0.1, callbacks=[stop], verbose=2
    )
    model.save(given.save_to)
    loaded = keras.models.load_model(given.save_to)  # a new process needs the import above, too
    print(robust_accuracy(loaded, x[1400:1500], y[1400:1500], attack="pgd20", eps=0.15))


if __name__ == "__main__":
    main()
