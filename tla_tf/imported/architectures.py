"""The architectures by name, each with its source."""

import functools

from robust_tf.errors import UserError
from robust_tf.models.torch_layout import channels_last, keras_layout
from robust_tf.reports.table import Column, text_table
from tla_tf.imported import tf1_names, torch_names
from tla_tf.imported.architecture import Architecture

_TLA = "Mao et al. 2019, code of the authors of TLA"
_MADRY = "Madry et al. 2018, github.com/MadryLab"
_ROBUSTBENCH = "RobustBench (github.com/RobustBench/robustbench)"
_FLATTENED_BY_WONG = (32, 7, 7)


def _tf1(name, model, dataset, eps, source, tensor_name, **sizes):
    return Architecture(
        **{"name": name, "model": model, "dataset": dataset, "eps": eps, "source": source},
        tensor_name=tensor_name,
        layout=_same_layout,
        prefixes=(tf1_names.PREFIX,),
        left_over=tf1_names.LEFT_OVER,
        **sizes,
    )


def _torch(name, source, tensor_name, dataset="cifar10", eps="8/255", **more):
    facts = {"model": name, "layout": _torch_layout, "optional": torch_names.OPTIONAL, **more}
    return Architecture(
        **{"name": name, "dataset": dataset, "eps": eps, "source": source},
        tensor_name=tensor_name,
        prefixes=torch_names.PREFIXES,
        left_over=torch_names.LEFT_OVER,
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


def _robustbench_wrn(depth, width, examples):
    return _torch(
        f"robustbench_wrn_{depth}_{width}",
        f"{_ROBUSTBENCH}: {examples}",
        torch_names.fc,
        model="robustbench_wrn_{depth}_{width}",
        depth=depth,
        width=width,
    )


_wide = functools.partial(
    _tf1, model="wrn_{depth}_{width}", dataset="cifar10", eps="8/255", depth=32, width=10
)
_ARCHITECTURES = (
    _wide(
        "madry_cifar10",
        source=f"{_MADRY}/cifar10_challenge: adv_trained, natural, secret",
        tensor_name=tf1_names.wide_resnet,
    ),
    _tf1(
        *("madry_mnist", "lenet_small", "mnist", "0.3"),
        f"{_MADRY}/mnist_challenge: adv_trained, natural, secret",
        tf1_names.madry_lenet,
    ),
    _wide("tla_cifar10", source=f"{_TLA}: w32-10", tensor_name=tf1_names.wide_resnet),
    _tf1(
        *("tla_mnist", "lenet_large", "mnist", "0.3"),
        f"{_TLA}: LeNet of larger capacity",
        tf1_names.large_lenet,
    ),
    _tf1(
        *("tla_mnist_small", "lenet_small", "mnist", "0.3"),
        f"{_TLA}: small LeNet without batch norm",
        tf1_names.small_lenet,
    ),
    _tf1("tla_mlp", "mlp", "mnist", "0.3", f"{_TLA}: MLP", tf1_names.mlp),
    _tf1(
        *("tla_tiny_res20", "tiny_res20", "tiny_imagenet", "8/255"),
        f"{_TLA}: Res20",
        tf1_names.tiny_resnet,
    ),
    _tf1(
        *("tla_tiny_res50", "tiny_res50", "tiny_imagenet", "8/255"),
        f"{_TLA}: Res50",
        tf1_names.tiny_resnet,
    ),
    _torch(
        "wong_mnist",
        "Wong et al. 2020, github.com/locuslab/fast_adversarial: MNIST, FGSM",
        torch_names.wong_mnist,
        dataset="mnist",
        eps="0.3",
        layout=_wong_layout,
    ),
    _robustbench_wrn(28, 10, "Carmon2019, Wang2020, Sehwag2020"),
    _robustbench_wrn(34, 10, "Zhang2019 (TRADES), Huang2020, Wu2020"),
    _robustbench_wrn(34, 20, "Rice2020"),
    _torch(
        "robustbench_preact_resnet_18",
        f"{_ROBUSTBENCH}: Wong2020, Andriushchenko2020",
        torch_names.linear,
    ),
    _torch(
        "robustbench_preact_resnet_18_v2",
        f"{_ROBUSTBENCH}: Rice2020 (L2), Kireev2021",
        torch_names.linear,
    ),
    _torch(
        "robustbench_resnet_18",
        f"{_ROBUSTBENCH}: Addepalli2021, Addepalli2022, Sehwag2021",
        torch_names.linear,
    ),
    _torch("robustbench_resnet_50", f"{_ROBUSTBENCH}: Engstrom2019", torch_names.linear),
    _torch(
        "torchvision_resnet_18",
        "torchvision.models.resnet18, ImageNet",
        torch_names.fc,
        dataset="folder",
    ),
    _torch(
        "torchvision_resnet_50",
        "torchvision.models.resnet50, ImageNet",
        torch_names.fc,
        dataset="folder",
    ),
)


def get(name):
    """Returns the `Architecture` of a name; UserError lists the names."""
    for architecture in _ARCHITECTURES:
        if architecture.name == name:
            return architecture
    known = ", ".join(architecture.name for architecture in _ARCHITECTURES)
    raise UserError(f"unknown --architecture={name}; choose one of {known}")


def table():
    """Returns the architectures as a text table."""
    return text_table(_COLUMNS, [found.sized(None, None) for found in _ARCHITECTURES])


_COLUMNS = (
    Column("architecture", lambda found: found.name),
    Column("network", lambda found: found.model),
    Column("data set", lambda found: found.dataset),
    Column("eps", lambda found: found.eps),
    Column("source of the weights", lambda found: found.source),
)
