"""torchattacks' AutoAttack on a Keras file, for an environment of its own with torch and Keras.

    python torch_autoattack.py final.keras images.npz linf|l2 EPS BATCH_SIZE

Prints the robust accuracy and the seconds of a processor. Nothing of this repository is imported.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "torch"


def main(weights, images, norm, eps, batch_size):
    """Attacks and prints."""
    import keras
    import numpy as np
    import torch
    import torchattacks

    network = keras.saving.load_model(weights, compile=False)
    network.eval()

    class Channels(torch.nn.Module):
        """Images [b, c, h, w] to logits; Keras takes the channels last."""

        def __init__(self):
            super().__init__()
            self.network = network
            self.weight = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

        def forward(self, x):
            outputs = self.network(x.permute(0, 2, 3, 1), training=False)
            return outputs["logits"] if isinstance(outputs, dict) else outputs

    with np.load(images) as stored:
        x = torch.tensor(stored["images"]).permute(0, 3, 1, 2)
        y = torch.tensor(stored["labels"], dtype=torch.int64)
    model = Channels().eval()
    attack = torchattacks.AutoAttack(
        model, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, n_classes=10, seed=0
    )
    start, right = time.process_time(), 0
    for first in range(0, len(x), batch_size):
        rows = slice(first, first + batch_size)
        found = attack(x[rows], y[rows])
        with torch.no_grad():
            right += int((model(found).argmax(1) == y[rows]).sum())
    seconds = time.process_time() - start
    print(f"{100 * right / len(x):.2f} % in {seconds:.1f} s")


if __name__ == "__main__":
    weights, images, norm, eps, batch_size = sys.argv[1:]
    main(weights, images, norm, float(eps), int(batch_size))
