"""One signature of a SavedModel, ours or not: images in, named outputs out."""

import functools
import hashlib
import pathlib

import numpy as np
import tensorflow as tf

from robust_tf import data
from robust_tf.errors import UserError, reason_of
from robust_tf.results import digest

# Endpoint of a SavedModel, and what stands for it in a .keras file.
USUAL = ("serving_default", "the model")


class SavedSignature:
    """A loaded signature with one input, images float32 [n, h, w, c] in [0, 1].

    Args:
        path: folder of the SavedModel.
        endpoint: name of the signature.
        input_range: (low, high), what the signature takes for 0 and 1, e.g. (0, 255).

    Attributes:
        path, endpoint: see above.
        loaded: the SavedModel, as TensorFlow loads it.
        shape: tf.TensorShape of the input.
        batch_size: how many images it takes together, None for any number.
        widths: dict, name of an output -> its last size, 0 where this is open.
        name: Name of the SavedModel's folder.

    Raises:
        UserError: no SavedModel, no such endpoint, another input than one of float32.
    """

    def __init__(self, path, endpoint="serving_default", input_range=(0.0, 1.0)):
        self.loaded = _load(path)  # the signature does not keep its variables alive
        signatures = self.loaded.signatures
        if endpoint not in signatures:
            raise UserError(
                f"{path} has no endpoint {endpoint!r}; it has "
                f"{', '.join(signatures) or 'none'} (--endpoint)"
            )
        self._signature = signatures[endpoint]
        inputs = self._signature.structured_input_signature[1]
        if len(inputs) != 1:
            raise UserError(f"{path}: {endpoint} takes {len(inputs)} inputs, not only images")
        ((self._input, spec),) = inputs.items()
        if spec.dtype != tf.float32:
            raise UserError(f"{path}: {endpoint} takes {spec.dtype.name}, not float32 in [0, 1]")
        outputs = self._signature.structured_outputs
        self._describe(path, endpoint, spec.shape, input_range, outputs)

    def __call__(self, images):
        """Returns dict output -> tensor, of images in [0, 1]."""
        low, high = self.input_range
        return self._run(images if (low, high) == (0, 1) else low + (high - low) * images)

    def _describe(self, path, endpoint, shape, input_range, outputs):
        self.path, self.endpoint, self.shape = path, endpoint, shape
        shapes = {name: tf.TensorShape(output.shape) for name, output in outputs.items()}
        self.widths = {name: (of.rank and of[-1]) or 0 for name, of in sorted(shapes.items())}
        self.name = pathlib.Path(path).resolve().name
        self.batch_size = shape[0] if shape.rank else None
        self.input_range = input_range

    def _run(self, images):
        return self._signature(**{self._input: images})

    @functools.cached_property
    def weights_hash(self):
        """SHA-256, in hex, of the graph and the variables."""
        found = hashlib.sha256()
        for name in ("saved_model.pb", "variables/variables.index"):
            file = pathlib.Path(self.path, name)
            found.update(file.read_bytes() if file.exists() else b"")
        for file in sorted(pathlib.Path(self.path, "variables").glob("variables.data-*")):
            found.update(np.fromfile(file, np.uint8).tobytes())
        return found.hexdigest()

    def hash_of(self, output, columns=None, *, usual="logits"):
        """Returns the hash that results of an output are kept under.

        It is the hash of the weights alone where endpoint, output, range of the images and order of
        the columns are the usual ones: results of older versions stay valid.
        """
        used = [self.endpoint, output, list(self.input_range), columns]
        if used[1:] == [usual, [0, 1], None] and self.endpoint in USUAL:
            return self.weights_hash
        return digest.of_json([self.weights_hash, *used])

    def open_data(self, name, data_dir=None, max_pixels=None):
        """Returns the `Dataset` of a name; image files get the side and the channels that it takes.

        Files among them that cannot be decoded are left out and named: a SavedModel does not say
        how the training took them.

        Args:
            name, data_dir: see `data.open`.
            max_pixels: see `FileSettings`; None means 100 megapixels.
        """
        shape = self.shape if self.shape.rank == 4 else [None] * 4
        return data.open(
            name,
            data_dir,
            image_size=shape[1] if shape[1] == shape[2] else None,
            grayscale=shape[3] == 1,
            on_bad_image="skip",
            max_pixels=max_pixels,
        )

    def output_like(self, usual):
        """Returns the output of this name, or the only one, whatever its name: Keras's output_0."""
        return usual if usual in self.widths or len(self.widths) != 1 else next(iter(self.widths))

    def require(self, image_shape, output):
        """Raises UserError unless it takes images (h, w, c) and has an output of this name."""
        if not self.shape.is_compatible_with([None, *image_shape]):
            shape, own = "x".join(map(str, image_shape)), self.shape
            first = own.rank == 4 and own[1] in (1, 3) and own[3] not in (1, 3)
            hint = "; channels come last here" if first else ""
            raise UserError(
                f"{self.path}: {self.endpoint} takes {self.shape}, the images are {shape}{hint}"
            )
        if output not in self.widths:
            outputs = ", ".join(self.widths)
            raise UserError(f"{self.path} has no output {output!r}; it has {outputs} (--output)")

    def try_gradient(self, image_shape, output):
        """Returns (whether `output` has a gradient with respect to the images, its value)."""
        # An image of one gray level may be all zeros behind a filter or a standardisation.
        images = tf.random.stateless_uniform([self.batch_size or 2, *image_shape], [0, 0])
        try:
            with tf.GradientTape() as tape:
                tape.watch(images)
                found = self(images)[output]
            return tape.gradient(found, images) is not None, found
        except (LookupError, tf.errors.OpError, TypeError, ValueError):
            return False, self(images)[output]


def newest_version(path):
    """Returns `path`, or, of an --export_dir, its SavedModel of the highest number; absolute."""
    path = pathlib.Path(path).resolve()
    versions = [p for p in path.glob("*/saved_model.pb") if p.parent.name.isdecimal()]
    if (path / "saved_model.pb").exists() or not versions:
        return path
    return max((p.parent for p in versions), key=lambda folder: int(folder.name))


def _load(path):
    if pathlib.Path(path).is_file():
        raise UserError(
            f"{path} is a file, no SavedModel; keras.models.load_model(FILE).export(DIR) writes "
            "one of a Keras file, and the commands take the file as --model=FILE"
        )
    if not tf.saved_model.contains_saved_model(str(path)):
        raise UserError(f"{path} holds no SavedModel (no saved_model.pb in it)")
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise UserError(f"the SavedModel {path} cannot be loaded: {reason_of(error)}") from error
