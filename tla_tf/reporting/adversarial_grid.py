"""Clean image, attacked image and their difference, of what an evaluation has kept."""

import numpy as np

from robust_tf.errors import UserError
from robust_tf.evaluation.adversarial_images import kept, opened
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.reports.html_table import Picture
from robust_tf.results.cache import examples_hash
from robust_tf.results.result import weights_hash
from tla_tf.runs.finished_run import FinishedRun

HEADER = ("clean", "attacked", "difference")
SEARCHED = 100  # images that are looked through
MISCLASSIFIED, STILL_CORRECT = 4, 2  # images shown


def adversarial_grid(folder, data_dir=None):
    """Returns (caption, rows) for a page: images that are misclassified, and still correct ones.

    Nothing is attacked: the network only sees the images of RUN/adversarial, of all test images
    under the attack of the most steps. None where no images were kept.

    Args:
        folder: pathlib.Path of the run.
        data_dir: where its data are now; None means where they were.

    Raises:
        UserError: data or images cannot be read, or the images are of other data or weights.
    """
    found = kept(folder / "adversarial")
    if not found:
        return None
    run = FinishedRun(folder, data_dir)
    path, identity = max(found.items(), key=lambda item: _effort(item[1]["settings"]))
    with opened(path) as file:
        stored = file["images"]
    examples = run.dataset.load("test", len(stored))
    network = run.network()
    if identity["examples"] != examples_hash(examples):
        raise UserError(f"the images kept in {folder} are of other test data")
    if identity["weights_hash"] != weights_hash(network):
        raise UserError(f"the images kept in {folder} were made for other weights")
    count = min(SEARCHED, len(stored))
    clean, labels = images_of(examples, slice(count)).numpy(), examples.labels[:count]
    outputs = (network(images, training=False) for images in (clean, stored[:count]))
    before, after = (np.argmax(output["logits"], axis=-1) for output in outputs)
    wrong = np.flatnonzero((before == labels) & (after != labels))[:MISCLASSIFIED]
    still_correct = np.flatnonzero((before == labels) & (after == labels))[:STILL_CORRECT]
    names = run.info.class_names
    rows = [
        _row(clean[i], stored[i], *(names[k] for k in (labels[i], before[i], after[i])))
        for i in (*wrong, *still_correct)
    ]
    caption = (
        f"{identity['attack']}: of the first {count} test images the first {len(wrong)} that fall "
        f"and the first {len(still_correct)} still correct. Difference: grey is unchanged, black "
        "and white are the largest change of that image."
    )
    return caption, rows


def _effort(settings):
    return settings.get("restarts", 1) * settings.get("steps", 1)


def _row(clean, attacked, label, before, after):
    change = attacked - clean
    largest = max(np.abs(change).max(), 1e-6)
    return (
        Picture(clean, f"a clean image of {label}", f"{label}, classified as {before}"),
        Picture(attacked, f"the same image attacked, {after}", f"classified as {after}"),
        Picture(
            0.5 + 0.5 * change / largest,
            f"the change, amplified {0.5 / largest:.3g} times",
            f"× {0.5 / largest:.3g}; largest {largest:.3g}",
        ),
    )
