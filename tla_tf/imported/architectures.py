"""The architectures by name: a line of published/architectures.csv each, with its source."""

from robust_tf.errors import UserError, with_closest
from robust_tf.models.torch_layout import channels_last, keras_layout
from robust_tf.reports import published
from robust_tf.reports.table import Column, text_table
from tla_tf.imported import tf1_names, torch_names
from tla_tf.imported.architecture import Architecture
from tla_tf.reporting.published_rows import FOLDER

_FLATTENED_BY_WONG = (32, 7, 7)


def get(name):
    """Returns the `Architecture` of a name; UserError lists the names."""
    known = {architecture.name: architecture for architecture in _architectures()}
    if name not in known:
        unknown = with_closest(name, known)
        raise UserError(f"--architecture: unknown {unknown}; choose one of {', '.join(known)}")
    return known[name]


def table():
    """Returns the architectures as a text table."""
    return text_table(_COLUMNS, [found.sized(None, None) for found in _architectures()])


def _architectures():
    return [_architecture(**line) for line in published.read_lines(FOLDER / "architectures.csv")]


def _architecture(architecture, format, network, names, depth, width, **facts):
    module = {"tf1": tf1_names, "torch": torch_names}[format]
    layouts = {"tf1": _same_layout, "torch": _torch_layout, "wong_mnist": _wong_layout}
    return Architecture(
        name=architecture,
        model=network,
        tensor_name=getattr(module, names),
        layout=layouts.get(architecture, layouts[format]),
        prefixes=module.PREFIXES,
        left_over=module.LEFT_OVER,
        optional=module.OPTIONAL,
        depth=int(depth) if depth else None,
        width=int(width) if width else None,
        **facts,
    )


def _same_layout(layer, variable, tensor):
    del layer, variable
    return tensor


def _torch_layout(layer, variable, tensor):
    del variable
    return tensor.reshape(-1) if layer == "normalization" else keras_layout(tensor)


def _wong_layout(layer, variable, tensor):
    if (layer, variable) == ("dense", "kernel"):
        tensor = channels_last(tensor, _FLATTENED_BY_WONG)
    return keras_layout(tensor)


_COLUMNS = (
    Column("architecture", lambda found: found.name),
    Column("network", lambda found: found.model),
    Column("data set", lambda found: found.dataset),
    Column("eps", lambda found: found.eps),
    Column("source of the weights", lambda found: found.source),
)
