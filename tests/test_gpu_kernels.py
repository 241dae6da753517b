"""Every operation of a train step and of an attack has a kernel on a GPU, for its types.

TensorFlow runs an operation without one on the processor: the GPU waits for it in every step. The
wheels for Linux name their GPU kernels where no GPU is.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework import func_graph
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses.triplet_adversarial import TripletAdversarial

pytestmark = pytest.mark.usefixtures("plain_graphs")  # what is traced is read

BALL = ThreatModel(0.1)
# Texts of errors, which TensorFlow keeps in the memory of the processor.
ON_THE_PROCESSOR = {("Const", tf.string)}


def has_gpu_kernel(node):
    """Whether a GPU can run a node; an operation without any kernel is a call of a function."""
    registered, here = _kernels(node.op)
    return not registered or any(_fits(kernel, node) for kernel in here)


@functools.cache
def _kernels(op):
    """Returns (all kernels of an operation, those for a GPU)."""
    registered = get_registered_kernels_for_op(op).kernel
    return registered, [k for k in registered if k.device_type in ("GPU", "DEFAULT")]


def _fits(kernel, node):
    for limit in kernel.constraint:
        attribute = node.attr[limit.name]
        given = set(attribute.list.type) | ({attribute.type} - {0})
        if not given <= set(limit.allowed_values.list.type):
            return False
    return True


def types(node):
    return {tf.as_dtype(attribute.type) for attribute in node.attr.values() if attribute.type}


@pytest.fixture
def traced(monkeypatch):
    """A list of all graphs that are traced."""
    graphs, begin = [], func_graph.FuncGraph.__init__

    def recorded(graph, *args, **settings):
        begin(graph, *args, **settings)
        graphs.append(graph)

    monkeypatch.setattr(func_graph.FuncGraph, "__init__", recorded)
    return graphs


def without_gpu_kernel(graphs):
    """The operations, and their types, that a GPU cannot run; the input pipeline runs elsewhere."""
    graphs = [graph for graph in graphs if not graph.name.startswith("Dataset")]
    nodes = [node for graph in graphs for node in graph.as_graph_def().node]
    assert len(nodes) > 100 and has_gpu_kernel(next(n for n in nodes if n.op == "MatMul"))
    return {
        (node.op, *sorted(kind.name for kind in types(node)))
        for node in nodes
        if not has_gpu_kernel(node)
        and not any((node.op, kind) in ON_THE_PROCESSOR for kind in types(node))
    }


def network(units):
    return keras.Sequential(
        [keras.Input([4, 4, 1]), layers.Conv2D(4, 2), layers.MaxPooling2D(), layers.Flatten()]
        + [layers.Dropout(0.1), layers.BatchNormalization(), layers.Dense(units)]
    )


@pytest.mark.parametrize(
    "kind, norm, dtype",
    [(TripletAdversarial, "linf", "mixed_bfloat16"), (HardnessManipulation, "l2", "float32")],
)
def test_a_train_step(traced, kind, norm, dtype):
    keras.config.set_dtype_policy(dtype)
    model = kind(network(3), attack=PGD(ThreatModel(0.1, norm), 2, random_start=True))
    model.compile(keras.optimizers.AdamW(use_ema=True), jit_compile=False)
    images = np.random.default_rng(0).random([12, 4, 4, 1]).astype("float32")
    labels = np.arange(12) % 3
    model.fit(images, labels, batch_size=12, validation_data=(images, labels), verbose=0)
    assert without_gpu_kernel(traced) == set()


@pytest.mark.parametrize(
    "attack",
    [PGD(BALL, 2), APGD(BALL, "dlr", steps=4), FAB(BALL, steps=2), Square(BALL, queries=4)],
    ids=lambda attack: type(attack).__name__,
)
def test_an_attack_whose_batch_shrinks(traced, attack):
    model = network(3)

    def perturb(x, y, keys):
        return attack.perturb(lambda images: model(images, training=False), x, y, keys)

    keys = randomness.image_keys(0, "start", tf.range(6))
    CompiledBatch(perturb, any_size=True)(tf.zeros([6, 4, 4, 1]), tf.constant([0, 1] * 3), keys)
    assert without_gpu_kernel(traced) == set()
