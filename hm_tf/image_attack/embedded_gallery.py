"""The images of a user's folder with their embeddings, and a query among them."""

import numpy as np

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from hm_tf.image_attack.gallery_search import search_with
from hm_tf.ranking_attacks.gallery_check import check_unit_vectors
from robust_tf.data import gallery_folder
from robust_tf.data.text_lines import printable


class EmbeddedGallery:
    """Reads and embeds a folder of images as the network of a run sees them.

    Args:
        run: `FinishedRun` or `SavedRun`.
        gallery: path of the folder.
        on_bad_image, max_pixels: see `gallery_folder.read`.
        batch_size: images embedded together.

    Attributes:
        info: `DatasetInfo` of the run.
        files: `GalleryFolder`.
        names: list of str, the files below the folder.
        embeddings: float32 [N, d], unit vectors.
        network: network of the run.
        embed_fn: images [b, h, w, c] to embeddings [b, d], with gradient.

    Raises:
        UserError: no images, images that the network cannot be given, or embeddings that are no
            unit vectors.
    """

    def __init__(self, run, gallery, *, on_bad_image="fail", max_pixels=None, batch_size=128):
        self.info = run.info
        files = gallery_folder.scan(gallery)
        self.files, self._examples = gallery_folder.read(files, run.info, on_bad_image, max_pixels)
        self.names = [printable(path.relative_to(gallery)) for path in self.files.paths]
        self.network = run.network()
        self.embed_fn = embedding_of_batch(self.network)
        self.embeddings = embed(self.embed_fn, self._examples, batch_size, "gallery")
        check_unit_vectors(self.embeddings)

    def pixels_of(self, row):
        """The clean image of a row, float32 [h, w, c] in [0, 1]."""
        return gallery_folder.pixels_of(self._examples, row)


class OwnImages(EmbeddedGallery):
    """An `EmbeddedGallery`, and the query that is attacked in it.

    Args:
        query: path of an image.
        query_class: see `search_with`.

    `EmbeddedGallery` describes the further arguments.

    Attributes:
        search: `GallerySearch`.
        notice: str, what had to be done to the query; "" where nothing.
    """

    def __init__(self, run, gallery, query, *, query_class, on_bad_image, batch_size, max_pixels):
        # A query that cannot be read is found before the gallery is embedded.
        self._query, self.notice = gallery_folder.read_single(query, run.info, max_pixels)
        super().__init__(
            run,
            gallery,
            on_bad_image=on_bad_image,
            max_pixels=max_pixels,
            batch_size=batch_size,
        )
        embedding = self.embed(self._query)
        self.search = search_with(self.files, self.embeddings, query, embedding, query_class)

    def embed(self, image):
        """Image float32 [h, w, c] to its embedding, float32 [d]."""
        return self.embed_fn(image[None]).numpy()[0].astype(np.float32)

    def notices(self, aim):
        """Yields what the user of an attack may not expect, a line each.

        Args:
            aim: `Aim`.
        """
        search = self.search
        if self.notice:
            yield self.notice
        classes = len(search.files.class_names)
        yield (
            f"gallery: {len(search.embeddings) - search.added:,} images"
            + (f" of {classes} classes" if classes else "; without subfolders it has no classes")
            + (
                "; the query is added, and never finds itself"
                if search.added
                else "; it has the query"
            )
        )
        if aim.target is not None:
            drawn = ", drawn with --seed; --candidate=IMG names one" if aim.drawn else ""
            yield f"aim: {search.name_of(aim.target)}{drawn}"

    def pixels_of(self, row):
        return self._query if row == self.search.query else super().pixels_of(row)
