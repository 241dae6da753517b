"""The gallery of an export: inside the SavedModel, or in blocks beside it."""

import json

import numpy as np

from hm_tf.evaluation.nearest_images import NearestImages
from hm_tf.image_attack.embedded_gallery import EmbeddedGallery
from robust_tf.errors import UserError
from robust_tf.export.endpoints import encoded_endpoint, float_endpoint

# More bytes of embeddings stay outside the SavedModel: 524,288 images with 512 entries fit.
MOST_BYTES = 2**30
BLOCK_BYTES = 2**28


class ServedGallery:
    """The images of a folder, embedded by a run, for the endpoints `search` and `search_encoded`.

    Args:
        run: `FinishedRun`.
        gallery: path of the folder.
        on_bad_image, max_pixels: see `gallery_folder.read`.

    Attributes:
        resources: list of the trackable objects of the endpoints.
        facts: dict for the sidecar.
    """

    def __init__(self, run, gallery, on_bad_image="fail", max_pixels=None):
        self._info = run.info
        self._gallery = EmbeddedGallery(
            run, gallery, on_bad_image=on_bad_image, max_pixels=max_pixels
        )
        embeddings = self._gallery.embeddings
        self._fits = embeddings.nbytes <= MOST_BYTES
        self.resources = []
        self.facts = {
            "images": len(embeddings),
            "entries_of_an_embedding": embeddings.shape[1],
            "megabytes": round(embeddings.nbytes / 2**20, 1),
            "place": "in the SavedModel, endpoints search and search_encoded"
            if self._fits
            else "too large for the SavedModel: blocks in gallery/, for an index such as faiss",
        }

    def endpoints(self, answer, count):
        """Returns the list of `Endpoint`, empty for a gallery that is too large.

        Args:
            answer: function of `serving_default`.
            count: int, images that a query gets.

        Raises:
            UserError: more images than the gallery has.
        """
        names = self._gallery.names
        if count > len(names):
            raise UserError(f"--top={count}: the gallery has {len(names)} images")
        if not self._fits:
            return []
        nearest = NearestImages(self._gallery.embeddings, names, count)
        self.resources = [nearest]

        def search(images):
            return nearest(answer(images)["embedding"])

        about = f"Finds the {count} nearest images of the gallery."
        return [
            float_endpoint("search", search, self._info.image_shape, about),
            encoded_endpoint("search_encoded", search, self._info, about),
        ]

    def write_blocks(self, folder):
        """Writes a gallery that is too large as gallery/embeddings-<number>.npy and names.json.

        Args:
            folder: pathlib.Path of the SavedModel.
        """
        if self._fits:
            return
        embeddings, beside = self._gallery.embeddings, folder / "gallery"
        beside.mkdir()
        rows = max(1, BLOCK_BYTES // embeddings[0].nbytes)
        for number, start in enumerate(range(0, len(embeddings), rows)):
            np.save(beside / f"embeddings-{number:05d}.npy", embeddings[start : start + rows])
        (beside / "names.json").write_text(json.dumps(self._gallery.names) + "\n", "utf-8")
