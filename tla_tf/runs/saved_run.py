"""A SavedModel or a .keras file in the place of a run folder, as evaluation sees it."""

import pathlib

from robust_tf.data.arrays import open_arrays
from robust_tf.data.text_lines import read_names
from robust_tf.errors import UserError
from robust_tf.evaluation.saved_classifier import SavedClassifier
from robust_tf.runs import saved_run

# Loading needs the class of a saved defense.
from tla_tf.defenses import build  # noqa: F401

LOGITS = "logits"  # the usual output


class SavedRun(saved_run.SavedRun):
    """A classifier without a run folder.

    Args:
        signature: `SavedSignature` or `KerasFile`, see `keras_file.open_signature`.
        eps: radius of the evaluation; a SavedModel knows none.
        dataset, data_dir, max_pixels: see `SavedSignature.open_data`; without one, None.
        images: path of an .npz file of the user's own arrays, or None.
        class_names: path of a file with the names of the logits in their order, or None.
        output: name of the signature's output.
        batch_size: images of an evaluated batch.

    Raises:
        UserError: flags that are missing or do not fit, see also `SavedSignature`, `KerasFile`,
            `open_arrays` and `SavedClassifier`.
    """

    def __init__(
        self,
        signature,
        *,
        eps,
        dataset=None,
        images=None,
        class_names=None,
        data_dir=None,
        max_pixels=None,
        output=LOGITS,
        batch_size=250,
    ):
        path, self._input_range = pathlib.Path(signature.path), signature.input_range
        output = signature.output_like(output) if output == LOGITS else output
        if eps is None or (dataset is None) == (images is None):
            raise UserError(
                f"{path} needs --dataset or --images=X.npz, and --eps, which no run folder gives"
            )
        class_names = class_names and read_names(class_names, "class_names")
        if images is not None:
            # The labels of a few images need not name every class.
            dataset = open_arrays(images, class_names, signature.widths.get(output, 0))
        else:
            dataset = signature.open_data(dataset, data_dir, max_pixels)
        self.flags = {"eps": eps, "norm": "linf"}
        names = {"output": output, "class_names": class_names}
        network = SavedClassifier(signature, dataset.info, **names)
        super().__init__(path, dataset.info, dataset, network)
        fixed = signature.batch_size
        if fixed not in (None, batch_size):
            raise UserError(f"{path} takes batches of {fixed} images; use --batch_size={fixed}")

    @property
    def differentiable(self):
        """Whether attacks can have the gradient."""
        return self._network.differentiable

    def hint(self, clean):
        """Returns a line where the clean accuracy is near chance, else "".

        Args:
            clean: `Result` of the clean images.
        """
        chance = 1 / self.info.num_classes
        # Twice chance would be 100 % of two classes.
        if clean.interval[0] > chance + min(chance, (1 - chance) / 9):
            return ""
        names = [f"{number}={name}" for number, name in enumerate(self.info.class_names)]
        more = " ..." if len(names) > 10 else ""
        low, high = self._input_range
        return (
            f"clean accuracy is near chance ({100 * chance:.1f} %): images go in as "
            f"[{low:g}, {high:g}] (--input_range{'=0,255 for raw pixels' if high == 1 else ''}); "
            "labels are "
            f"{' '.join(names[:10])}{more} (--class_names=FILE for another order)"
        )
