"""Attacks a Keras classifier: adversarial images of one attack, then the AutoAttack ensemble.

python examples/attack_your_model.py --images=100
"""

import argparse

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from robust_tf import PGD, robust_accuracy


def main(argv=None):
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--epochs", type=int, default=10)
    flags.add_argument("--images", type=int, default=100)
    flags.add_argument("--attack", default="standard")
    given = flags.parse_args(argv)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype("float32"), digits.target
    # Here stands your own model: keras.models.load_model("yours.keras").
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(32, 3, activation="relu"), layers.Flatten()]
        + [layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1400], y[:1400], epochs=given.epochs, verbose=2)
    x, y = x[-given.images :], y[-given.images :]
    x_adv = PGD(eps=0.15, steps=20)(model, x, y)
    print(f"largest change of a pixel: {np.abs(x_adv - x).max():.3f}")
    print(f"accuracy on these images: {np.mean(model.predict(x_adv).argmax(1) == y):.2f}")
    print(robust_accuracy(model, x, y, attack=given.attack, eps=0.15))


if __name__ == "__main__":
    main()
