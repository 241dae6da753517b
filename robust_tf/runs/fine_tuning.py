"""Fine-tuning: a network that starts from the weights of a finished run."""

import keras

from robust_tf.errors import UserError

# Loading needs the layers of every network.
from robust_tf.models import embedding_registry, registry  # noqa: F401
from robust_tf.runs.run_folder import RunFolder

# How classifiers and embedding networks end.
_ENDS = {"linear", "UnitLength"}


def start_from(network, workdir):
    """Puts the weights of a run into a network; the last layer stays fresh where it differs.

    The run may have another data set, another number of classes or the other package. It may be an
    imported run.

    Args:
        network: keras.Model.
        workdir: Folder of the finished run.

    Returns:
        A line that says where the weights come from, and whether the last layer is fresh.

    Raises:
        UserError: There is no finished run, or a layer before the last one differs.
        RunError: The weights of the run are damaged.
    """
    folder = RunFolder(workdir)
    flags = folder.read_flags()
    if not folder.final_weights.exists():
        raise UserError(f"--init_from={workdir}: the run has no final weights yet")
    with folder.reading(folder.final_weights):
        source = keras.saving.load_model(folder.final_weights, compile=False)
    fresh = copy_weights(source, network, f"--init_from={workdir}")
    steps = f"step {flags['train_steps']:,}"
    origin = f"imported from {flags['checkpoint']}" if "checkpoint" in flags else steps
    return f"weights from {folder.path}, {origin}" + (f"; {fresh}" if fresh else "")


def copy_weights(source, target, name):
    """Copies all layers with weights, in their order, the last one if it has the same shape.

    Args:
        source: keras.Model with the weights.
        target: keras.Model that is set.
        name: Name of the source for an error.

    Returns:
        A line that names a fresh last layer, and layers without weights that only one of the two
        networks has; "" without any.

    Raises:
        UserError: A layer before the last one differs; it is named and nothing is set.
    """
    theirs, ours = _layers(source), _layers(target)
    _require_same_trunk(theirs[:-1], ours[:-1], f"{name}: its {source.name} is no {target.name}")
    for old, new in zip(theirs[:-1], ours[:-1]):
        new.set_weights(old.get_weights())
    last, head, lines = theirs[-1], ours[-1], []
    if last.name == head.name and _shapes(last) == _shapes(head):
        head.set_weights(last.get_weights())
    else:
        units = f"{_shapes(last)[-1][-1]} outputs there, {_shapes(head)[-1][-1]} here"
        lines.append(f"the last layer is fresh ({units})")
    if differing := sorted((_functions(source) ^ _functions(target)) - _ENDS):
        lines.append(f"only one of the two networks has {', '.join(differing)}")
    return "; ".join(lines)


def _require_same_trunk(theirs, ours, what):
    for old, new in zip(theirs, ours):
        if _shapes(old) != _shapes(new):
            raise UserError(f"{what}: layer {new.name} is {_shapes(new)}, there {_shapes(old)}")
    if len(theirs) != len(ours):
        raise UserError(f"{what}: {len(ours)} layers before the last one, there {len(theirs)}")


def _layers(network):
    return [layer for layer in network.layers if layer.weights]


def _functions(network):
    """The names of what the layers without weights compute, such as a normalisation of images."""
    layers = [layer for layer in network.layers if not layer.weights]
    functions = [getattr(layer, "activation", type(layer)) for layer in layers]
    return {function.__name__ for function in functions}


def _shapes(layer):
    return [tuple(variable.shape) for variable in layer.weights]
