"""python -m tla_tf.import_weights --checkpoint=FILE --architecture=NAME --workdir=RUN

Makes a run folder of weights that others have trained. FILE is the prefix of a checkpoint of
TensorFlow 1, a .pt or .pth of PyTorch, .safetensors or .npz. Every tensor of the file has its place
in our network, and every variable its tensor; the first mismatch is named. evaluate, analyze,
export, report and --init_from of tla_tf.train and hm_tf.train take the folder as one of our own
runs. --list shows the architectures.
"""

import shlex
import sys

from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import require
from robust_tf.errors import UserError
from tla_tf.options import IMPORT_WEIGHTS

REQUIRED = ("checkpoint", "architecture", "workdir")


@command_line.command(IMPORT_WEIGHTS, __doc__)
def main(options):
    """Imports, then asks for the clean accuracy."""
    from robust_tf import data
    from robust_tf.models.checkpoint_readers import formats
    from robust_tf.runs.run_folder import RunFolder
    from tla_tf.imported import architectures
    from tla_tf.imported.imported_run import clean_accuracy, imported_run

    if options.list:
        print(architectures.table())
        return
    require(options, **dict.fromkeys(REQUIRED, "; --list shows the architectures"))
    architecture = architectures.get(options.architecture).sized(options.depth, options.width)
    dataset = data.open(options.dataset or architecture.dataset, options.data_dir)
    tensors = architecture.without_prefixes(formats.read(options.checkpoint))
    tensors |= _typed_normalisation(options, tensors)
    folder = RunFolder(options.workdir)
    network = imported_run(architecture, tensors, dataset, folder, options.checkpoint)
    print(
        f"{options.checkpoint}: {len(tensors):,} tensors, {network.count_params():,} weights of "
        f"{architecture.model}\nrun folder: {folder.path}"
    )
    if architecture.optional and not tensors.keys() >= set(architecture.optional):
        print(
            "images go in without a normalisation: the file holds none; if the training had one, "
            "give --pixel_mean and --pixel_std"
        )
    evaluate = shlex.join(["python", "-m", "tla_tf.evaluate", f"--workdir={folder.path}"])
    if dataset.at_hand:
        print(f"clean accuracy on some test images: {100 * clean_accuracy(network, dataset):.1f} %")
        print(f"next: {evaluate} --attacks=table1")
    else:
        print(
            f"clean accuracy: not asked, {dataset.name} is not at hand\n"
            f"next: {evaluate} --attacks=clean"
        )


def _typed_normalisation(options, tensors):
    """Returns what was typed, under RobustBench's names of the buffers.

    Raises:
        UserError: The file holds other values.
    """
    import numpy as np

    typed = {}
    for buffer, flag in {"mu": "pixel_mean", "sigma": "pixel_std"}.items():
        if (given := getattr(options, flag)) is None:
            continue
        typed[buffer] = np.float32(given)
        held = np.ravel(tensors.get(buffer, typed[buffer]))
        if not np.array_equal(held, typed[buffer]):
            raise UserError(
                f"--{flag} is {_joined(typed[buffer])}, but the file's {buffer} is "
                f"{_joined(held)}; leave --{flag} out"
            )
    return typed


def _joined(numbers):
    return ",".join(f"{number:.6g}" for number in numbers[:4])


if __name__ == "__main__":
    sys.exit(main())
