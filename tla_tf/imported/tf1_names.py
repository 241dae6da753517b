"""Names of the variables of the TensorFlow 1 models, from the names of our layers.

Sources: the TLA authors' code and the challenge code of Madry et al. (2018).
"""

import functools
import re

_KINDS = {"kernel": "DW", "bias": "biases"}
PREFIXES = ("main_encoder/",)
OPTIONAL = ()
# The state of the optimiser and counters. A renaming script of the authors prefixes them, too.
LEFT_OVER = re.compile(r"(.*/)?(global_step|Momentum|Adam|Adam_1|beta[12]_power)")

_RESIDUAL = [
    (r"stem", "input/init_conv"),
    (r"stem_bn", "input/BatchNorm"),
    (r"last_bn", "unit_last/BatchNorm"),
    (r"logits", "logit"),
    (r"stage(\d)\.unit(\d)\.projection", r"unit_\1_\2/sub_add/conv1s"),
    (r"stage(\d)\.unit(\d)\.conv(\d)", r"unit_\1_\2/sub\3/conv\3"),
    (r"stage(\d)\.unit(\d)\.bn1", r"unit_\1_\2/residual_only_activation/BatchNorm"),
    (r"stage(\d)\.unit(\d)\.bn(\d)", r"unit_\1_\2/sub\3/BatchNorm"),
]
# In wide networks the first activation feeds the shortcut, too.
_WIDE = [(r"stage1\.unit0\.bn1", "unit_1_0/shared_activation/BatchNorm"), *_RESIDUAL]

_LARGE_LENET = {
    "conv1": ("conv_w1", "b1"),
    "bn1": "BatchNorm",
    "conv2": ("conv_w11", "b11"),
    "bn2": "BatchNorm_1",
    "conv3": ("conv_w2", "b2"),
    "bn3": "BatchNorm_2",
    "conv4": ("conv_w21", "b21"),
    "bn4": "BatchNorm_3",
    "dense": ("fcw1", "fcb1"),
    "dense_bn": "BatchNorm_4",
    "logits": ("fcw2", "fcb2"),
}
_SMALL_LENET = {
    "conv1": ("conv_w1", "b1"),
    "conv2": ("conv_w2", "b2"),
    "dense": ("fcw1", "fcb1"),
    "logits": ("fcw2", "fcb2"),
}
_MLP = {
    "dense1": ("w1", "b1"),
    "bn1": "BatchNorm",
    # Named as a convolution, used as a dense layer.
    "dense2": ("conv_w11", "b11"),
    "bn2": "BatchNorm_1",
    "dense3": ("fcw1", "fcb1"),
    "bn3": "BatchNorm_2",
    "logits": ("fcw2", "fcb2"),
}
_CREATION_ORDER = ("conv1", "conv2", "dense", "logits")


def madry_lenet(layer, variable):
    """Returns the name in a checkpoint of a variable of the small LeNet of Madry et al.

    Its variables have numbers only.

    Args:
        layer: Name of our layer, e.g. "conv1".
        variable: Name of the variable in the layer, e.g. "kernel".
    """
    number = 2 * _CREATION_ORDER.index(layer) + (variable == "bias")
    return f"Variable_{number}" if number else "Variable"


def _of_table(table, layer, variable):
    scopes = table[layer]
    scope = scopes if isinstance(scopes, str) else scopes[variable == "bias"]
    return f"{scope}/{_KINDS.get(variable, variable)}"


def _of_rules(rules, layer, variable):
    matches = ((re.fullmatch(pattern, layer), scope) for pattern, scope in rules)
    scope = next(match.expand(scope) for match, scope in matches if match)
    return f"{scope}/{_KINDS.get(variable, variable)}"


# The same of the other networks.
wide_resnet = functools.partial(_of_rules, _WIDE)
tiny_resnet = functools.partial(_of_rules, _RESIDUAL)
large_lenet = functools.partial(_of_table, _LARGE_LENET)
small_lenet = functools.partial(_of_table, _SMALL_LENET)
mlp = functools.partial(_of_table, _MLP)
