"""Trains a robust embedding on a folder of images, finds the nearest ones, and attacks the search.

python examples/robust_retrieval.py PHOTOS, where PHOTOS has one subfolder per class.
"""

import argparse

import keras
import numpy as np
from keras import layers

from hm_tf import HardnessManipulation, PairedBatches, robust_retrieval


def main(argv=None):
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("folder")
    flags.add_argument("--epochs", type=int, default=10)
    flags.add_argument("--size", type=int, default=64)
    given = flags.parse_args(argv)
    files = keras.utils.image_dataset_from_directory(
        given.folder, image_size=(given.size, given.size), batch_size=None, shuffle=False
    )
    x, y = (np.stack(values) for values in zip(*files.as_numpy_iterator()))
    x = x / 255  # pixels in [0, 1]
    convolutions = [layers.Conv2D(n, 3, strides=2, activation="relu") for n in (32, 64)]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(64)]
    network = keras.Sequential([keras.Input(x.shape[1:]), *convolutions, *head])
    model = HardnessManipulation(network, source="softhard", destination="lga", eps="8/255")
    model.compile("adam")
    # Of the images of the training; for a claim search classes that it has not seen.
    model.fit(PairedBatches(x, y, 32), epochs=given.epochs, validation_data=(x, y), verbose=2)
    embeddings = model.predict(x, verbose=0)["embedding"]  # unit vectors
    nearest = np.argsort(-embeddings @ embeddings[0])[1:4]
    print(f"nearest to {files.file_paths[0]}: {[files.file_paths[row] for row in nearest]}")
    print(robust_retrieval(model, x, y, attacks="ES", eps="8/255", queries=100))


if __name__ == "__main__":
    main()
