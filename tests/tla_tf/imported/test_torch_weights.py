"""Networks with PyTorch's weights: logits as PyTorch computed them, see make_torch_logits.py."""

import json
import pathlib

import numpy as np
import pytest
from known_weights import images, weight

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import UserError
from robust_tf.models import registry
from tla_tf.imported import architectures

KNOWN = json.loads((pathlib.Path(__file__).parent / "torch_logits.json").read_text())
SIZES = {"robustbench_wrn_16_2": ("robustbench_wrn_28_10", 16, 2)}


def tensors(name):
    return {key: weight(key, tuple(shape)) for key, shape in KNOWN[name]["shapes"].items()}


def imported(name, found):
    base, *sizes = SIZES.get(name, (name, None, None))
    architecture = architectures.get(base).sized(*sizes)
    info = DatasetInfo(
        "x", KNOWN[name]["images"][1:], tuple("0123456789"), {}, "", standardize=True
    )
    network = registry.get(architecture.model, info)
    architecture.load(found, network)
    return network


@pytest.mark.parametrize("name", KNOWN)
def test_logits_are_those_of_torch(name):
    network = imported(name, tensors(name))
    expected = np.array(KNOWN[name]["logits"])
    logits = network(images(KNOWN[name]["images"]))["logits"]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))


def test_prefixes_of_wrappers_carry_no_meaning():
    found = {f"module.{key}": value for key, value in tensors("wong_mnist").items()}
    network = imported("wong_mnist", found)
    np.testing.assert_array_equal(network.get_layer("logits").bias, found["module.7.bias"])


def test_two_tensors_for_one_variable_are_refused():
    """A file with a second copy of the weights: which one was published, it does not say."""
    found = tensors("wong_mnist")
    found["module.7.bias"] = found["7.bias"] + 1
    with pytest.raises(UserError, match="7.bias and module.7.bias both stand for 7.bias"):
        imported("wong_mnist", found)
    del found["module.7.bias"]
    found |= {"bn.num_batches_tracked": np.array(1), "net.bn.num_batches_tracked": np.array(2)}
    imported("wong_mnist", found)  # counters have no variable


@pytest.mark.parametrize("name", ["mu", "sigma"])
def test_half_a_normalisation_is_refused(name):
    found = tensors("robustbench_wrn_16_2")
    del found[name]
    with pytest.raises(UserError, match=f"{name} is missing"):
        imported("robustbench_wrn_16_2", found)


def test_without_its_normalisation_the_images_go_in_as_they_are():
    found = tensors("robustbench_wrn_16_2")
    del found["mu"], found["sigma"]
    layer = imported("robustbench_wrn_16_2", found).get_layer("normalization")
    np.testing.assert_array_equal([layer.mean, layer.deviation], [[0] * 3, [1] * 3])


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda found: found.pop("2.bias"), "2.bias is missing"),
        (lambda found: found.update({"9.weight": np.zeros(3)}), "9.weight has no place"),
        (lambda found: found.update({"7.weight": np.zeros((20, 100))}), "(20, 100) in the file"),
        (lambda found: found.update({"5.weight": np.zeros((100, 3))}), "5.weight is (100, 3)"),
        (lambda found: found["0.bias"].fill(np.nan), "conv1/bias is not finite"),
        (lambda found: found.update({"0.bias": np.zeros(16, np.int8)}), "0.bias is int8"),
        (lambda found: found.update({"0.bias": np.zeros(16, complex)}), "0.bias is complex128"),
        # NumPy's type of a bfloat16 array in an .npz file.
        (lambda found: found.update({"0.bias": np.zeros(16, "V2")}), "0.bias is void16"),
    ],
    ids=["missing", "unknown", "shape", "not-flattened", "nan", "int8", "complex", "bfloat16"],
)
def test_first_mismatch_is_named(change, expected):
    found = tensors("wong_mnist")
    change(found)
    with pytest.raises(UserError) as error:
        imported("wong_mnist", found)
    assert "no wong_mnist" in str(error.value) and expected in str(error.value)
    assert len(str(error.value).splitlines()) == 1
