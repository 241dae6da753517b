"""Pretrained weights: torchvision's arrays converted, keras-hub's renamed, what does not fit."""

import json
import pathlib
import sys
import types

import keras
import numpy as np
import pytest

from hm_tf import train
from hm_tf.pretrained import keras_hub_weights
from hm_tf.pretrained.initial_weights import (
    HEAD,
    NORM,
    converted,
    load_initial_weights,
    read_arrays,
)
from robust_tf.errors import UserError
from robust_tf.models.assign_weights import assign
from robust_tf.models.channel_normalization import DEVIATION, MEAN
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.models.resnet import basic_block

INFO = types.SimpleNamespace(image_shape=(33, 33, 3))
KINDS = {"float32": "F32", "int64": "I64"}
PTH = pathlib.Path(__file__).parents[2] / "robust_tf/models/checkpoint_readers/zip.pth"


def torch_block(name, depth, width):
    """The arrays of a basic block with a shortcut, as torchvision names and lays them out."""
    random = np.random.default_rng(0)
    arrays = {}
    for conv, norm, shape in (
        ("conv1", "bn1", (width, depth, 3, 3)),
        ("conv2", "bn2", (width, width, 3, 3)),
        ("downsample.0", "downsample.1", (width, depth, 1, 1)),
    ):
        arrays[f"{name}.{conv}.weight"] = random.normal(size=shape).astype(np.float32)
        for kind in ("weight", "bias", "running_mean", "running_var"):
            values = random.uniform(0.5, 1.5, width).astype(np.float32)
            arrays[f"{name}.{norm}.{kind}"] = values
        arrays[f"{name}.{norm}.num_batches_tracked"] = np.array(7)
    return arrays


@pytest.fixture(scope="module")
def network():
    """A ResNet-18; every test gives it the weights that it needs."""
    return get_embedding("resnet18", INFO)


def torch_arrays(network, seed=1):
    """Random arrays for a whole network, under torchvision's names."""
    random = np.random.default_rng(seed)
    back = {ours: theirs for theirs, ours in NORM.items()}
    arrays = {
        "fc.weight": np.zeros([1000, 512], np.float32),
        "fc.bias": np.zeros([1000], np.float32),
    }
    for layer in network.layers:
        for variable in layer.weights:
            value = random.uniform(0.5, 1.5, variable.shape).astype(np.float32)
            if value.ndim == 4:
                arrays[f"{layer.name}.weight"] = value.transpose(3, 2, 0, 1)
            elif layer.name != "fc":
                arrays[f"{layer.name}.{back[variable.name]}"] = value
    return arrays


def write_safetensors(path, arrays):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, value in arrays.items():
        offsets = [len(body), len(body) + value.nbytes]
        kind = KINDS[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": offsets}
        body += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def naive_block(x, arrays, name, stride):
    """torchvision's BasicBlock in loops: x float [batch, channels, height, width]."""

    def convolved(x, conv, stride, pad):
        kernel = arrays[f"{name}.{conv}.weight"]
        size = kernel.shape[-1]
        padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
        side = (padded.shape[-1] - size) // stride + 1
        out = np.zeros((len(x), len(kernel), side, side))
        for row in range(side):
            for column in range(side):
                window = padded[:, :, row * stride :, column * stride :][:, :, :size, :size]
                out[:, :, row, column] = np.tensordot(window, kernel, ([1, 2, 3], [1, 2, 3]))
        return out

    def normalized(x, norm):
        scale, offset, mean, variance = (
            arrays[f"{name}.{norm}.{kind}"][:, None, None] for kind in NORM
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset

    out = np.maximum(normalized(convolved(x, "conv1", stride, 1), "bn1"), 0)
    out = normalized(convolved(out, "conv2", 1, 1), "bn2")
    return np.maximum(out + normalized(convolved(x, "downsample.0", stride, 0), "downsample.1"), 0)


@pytest.mark.parametrize("side", [8, 9])
def test_a_converted_block_computes_what_torchvisions_does(side, tmp_path):
    arrays = torch_block("layer2.0", 3, 5)
    write_safetensors(tmp_path / "block.safetensors", arrays)
    image = keras.Input([side, side, 3])
    model = keras.Model(image, basic_block(image, 5, 2, "frozen", "layer2.0"))
    assign(model, read_arrays(tmp_path / "block.safetensors"))
    x = np.random.default_rng(2).normal(size=(2, side, side, 3)).astype(np.float32)
    expected = naive_block(x.transpose(0, 3, 1, 2), arrays, "layer2.0", 2)
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed, form", enumerate(["npz", "safetensors", "npz under our names"]))
def test_every_layer_of_a_file_arrives(seed, form, network, tmp_path):
    head = network.get_layer("fc").get_weights()
    arrays = torch_arrays(network, seed)
    path = tmp_path / f"model.{form.split()[0]}"
    if form == "safetensors":
        write_safetensors(path, arrays)
    else:
        np.savez(path, **(arrays if form == "npz" else converted(arrays)))
    load_initial_weights(network, str(path))
    for layer in network.layers:
        for variable in layer.weights if layer.name != "fc" else []:
            kind = {"kernel": "weight", **{v: k for k, v in NORM.items()}}[variable.name]
            expected = arrays[f"{layer.name}.{kind}"]
            found = variable.numpy()
            found = found.transpose(3, 2, 0, 1) if found.ndim == 4 else found
            np.testing.assert_array_equal(found, expected, err_msg=layer.name)
    for before, after in zip(head, network.get_layer("fc").get_weights()):
        np.testing.assert_array_equal(before, after)


def test_files_that_are_no_weights(tmp_path):
    path = tmp_path / "cut.safetensors"
    write_safetensors(path, {"conv1.weight": np.zeros([2, 3, 7, 7], np.float32)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="^--init_weights=.*cut.safetensors cannot be read"):
        read_arrays(path)
    with pytest.raises(UserError, match="^--init_weights=.*zip.pth: whole .6, 4. is not of a"):
        read_arrays(PTH)
    for name in ("blocks.0.attn.qkv.weight", "bn1.weight"):
        with pytest.raises(UserError, match="not of a ResNet"):
            converted({name: np.zeros([4, 4])})
    with pytest.raises(UserError, match="holds no weights"):
        converted({"fc.weight": np.zeros([4, 4])})


def test_the_wrapper_of_data_parallel_is_taken_off(network):
    arrays = torch_arrays(network)
    wrapped = {f"module.{name}": value for name, value in {**arrays, "fc.weight": 0}.items()}
    found, expected = converted(wrapped), converted(arrays)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_weights_that_do_not_fit(network, tmp_path):
    good = converted(torch_arrays(network))
    name = "layer3.0.conv1/kernel"
    path = tmp_path / "weights.npz"
    for arrays, text in (
        ({k: v for k, v in good.items() if k != name}, "no weights for layer3.0.conv1"),
        ({**good, name: good[name][:1]}, "not \\(3, 3, 128, 256\\)"),
        ({**good, name: good[name] * np.nan}, "not finite"),
        ({**good, name: good[name].astype(np.float64) * 1e300}, "not finite"),
        ({**good, name: good[name].astype(np.int8)}, "is int8, not float32"),
        ({**good, "layer5.0.conv1/kernel": good[name]}, "has no layer5.0.conv1"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(UserError, match=text):
            load_initial_weights(network, str(path))
    quantised = {key: value.astype(np.int8) for key, value in torch_arrays(network).items()}
    np.savez(path, **quantised)
    with pytest.raises(UserError, match="is int8, not float32"):
        load_initial_weights(network, str(path))
    path.write_text("no zip")
    for wrong in (path, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="--init_weights="):
            load_initial_weights(network, str(wrong))


def test_names_of_keras_hub(network):
    """Of the layers of its ResNetBackbone 0.32, in its order; every one of ours is met once."""
    theirs = ["conv1_conv", "conv1_bn"]
    for stack in range(4):
        for block in range(2):
            numbers = (0, 1, 2) if stack and not block else (1, 2)
            units = [f"{number}_{kind}" for number in numbers for kind in ("conv", "bn")]
            theirs += [f"stack{stack}_block{block}_{unit}" for unit in units]
    ours = {layer.name for layer in network.layers if layer.weights} - {"fc"}
    assert {keras_hub_weights.our_layer(name) for name in theirs} == ours
    assert len(theirs) == len(ours)
    with pytest.raises(UserError, match="unknown layer stem"):
        keras_hub_weights.our_layer("stem")


@pytest.mark.parametrize(
    "name, kind, blocks",
    [
        ("resnet18", "basic_block", [2, 2, 2, 2]),
        ("resnet50", "bottleneck_block", [3, 4, 6, 3]),
    ],
)
def test_keras_hubs_network_is_ours(name, kind, blocks):
    """Random weights in the place of ImageNet's; needs the package, not the network."""
    hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    stages = {"stackwise_num_filters": [64, 128, 256, 512], "stackwise_num_strides": [1, 2, 2, 2]}
    backbone = hub.models.ResNetBackbone(
        [64], [7], stackwise_num_blocks=blocks, block_type=kind, **stages
    )
    network = get_embedding(name, INFO)
    assign(network, keras_hub_weights.renamed_arrays(backbone), fresh=(HEAD,))
    features = next(x for x in network.layers if x.name.startswith("global_average")).input
    images = np.random.default_rng(0).uniform(size=(2, 33, 33, 3)).astype(np.float32)
    ours = keras.Model(network.input, features)(images)
    theirs = backbone((images - MEAN) / DEVIATION)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


class FakeHub(types.ModuleType):
    """A keras-hub without a network."""

    def __init__(self):
        super().__init__("keras_hub")
        self.models = types.SimpleNamespace(ResNetBackbone=self)

    def from_preset(self, preset):
        raise OSError(f"no route to {preset}\nand a second line")


@pytest.mark.parametrize(
    "module, text", [(None, "needs keras-hub: pip install"), (FakeHub(), "no route to resnet_18")]
)
def test_imagenet_without_the_package_or_a_network(module, text, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "keras_hub", module)
    smoke = ["--flagfile=flags/hm/smoke.flags", f"--workdir={tmp_path / 'run'}"]
    asked = ["--model=resnet18", "--init_weights=imagenet"]
    assert train.main(["train", *smoke, *asked]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--model=resnet18", "--bn=frozen"], "give --init_weights=imagenet or a file"),
        (["--model=preact_resnet_18", "--bn=frozen"], "give --init_from=RUN, or --bn=live"),
        (["--model=digits_embedding", "--init_weights=imagenet"], "resnet18 and resnet50"),
        (["--model=resnet18", "--init_weights=/nowhere.npz"], "is no file"),
    ],
)
def test_flags_that_do_not_go_together(flags, text, tmp_path, capsys):
    smoke = ["--flagfile=flags/hm/smoke.flags", f"--workdir={tmp_path / 'run'}"]
    assert train.main(["train", *smoke, *flags]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]
