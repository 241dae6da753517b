"""Makes torch_logits.json; needs torch, which no test does.

    python tests/tla_tf/imported/make_torch_logits.py

The networks are written after the papers and RobustBench's state dicts, independently of ours.
"""

import json
import pathlib

import torch
from known_weights import images, weight
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


class WideUnit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs, 3)
        if inputs != outputs:
            self.convShortcut = conv(inputs, outputs, 1, stride)

    def forward(self, x):
        active = F.relu(self.bn1(x))
        residual = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return residual + (self.convShortcut(active) if hasattr(self, "convShortcut") else x)


class WideStage(nn.Module):
    def __init__(self, units, inputs, outputs, stride):
        super().__init__()
        first = WideUnit(inputs, outputs, stride)
        self.layer = nn.Sequential(
            first, *(WideUnit(outputs, outputs, 1) for _ in range(units - 1))
        )

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        units, widths = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = conv(3, 16, 3)
        self.block1 = WideStage(units, widths[0], widths[1], 1)
        self.sub_block1 = WideStage(units, widths[0], widths[1], 1)  # never called
        self.block2 = WideStage(units, widths[1], widths[2], 2)
        self.block3 = WideStage(units, widths[2], widths[3], 2)
        self.bn1, self.fc = nn.BatchNorm2d(widths[3]), nn.Linear(widths[3], 10)
        self.register_buffer("mu", torch.zeros(1, 3, 1, 1))
        self.register_buffer("sigma", torch.ones(1, 3, 1, 1))

    def forward(self, x):
        x = self.conv1((x - self.mu) / self.sigma)
        x = F.relu(self.bn1(self.block3(self.block2(self.block1(x)))))
        return self.fc(x.mean((2, 3)))


class PreActUnit(nn.Module):
    def __init__(self, inputs, outputs, stride, after):
        super().__init__()
        self.after = after
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs, 3)
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride))

    def forward(self, x):
        active = F.relu(self.bn1(x))
        start = active if self.after else x
        residual = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return residual + (self.shortcut(start) if hasattr(self, "shortcut") else x)


class BasicUnit(nn.Module):
    def __init__(self, inputs, width, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.outputs, self.shortcut_name = width, shortcut
        if stride > 1 or inputs != width:
            projection = nn.Sequential(conv(inputs, width, 1, stride), nn.BatchNorm2d(width))
            setattr(self, shortcut, projection)

    def residual(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return F.relu(self.residual(x) + getattr(self, self.shortcut_name, nn.Identity())(x))


class BottleneckUnit(BasicUnit):
    def __init__(self, inputs, width, stride, shortcut):
        super().__init__(4 * width, 4 * width, 1, shortcut)
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        if stride > 1 or inputs != 4 * width:
            projection = [conv(inputs, 4 * width, 1, stride), nn.BatchNorm2d(4 * width)]
            setattr(self, shortcut, nn.Sequential(*projection))

    def residual(self, x):
        return self.bn3(self.conv3(F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))))


class ResNet(nn.Module):
    """`torchvision`: the layout of ImageNet's networks, otherwise that of RobustBench."""

    def __init__(self, unit, counts, torchvision=False):
        super().__init__()
        self.torchvision = torchvision
        shortcut, stem = ("downsample", 7) if torchvision else ("shortcut", 3)
        self.conv1, self.bn1 = conv(3, 64, stem, 2 if torchvision else 1), nn.BatchNorm2d(64)
        inputs = 64
        for stage, count in enumerate(counts):
            units = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                units.append(unit(inputs, 64 * 2**stage, stride, shortcut))
                inputs = units[-1].outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*units))
        setattr(self, "fc" if torchvision else "linear", nn.Linear(inputs, 10))
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        self.imagenet = [torch.tensor(facts).view(1, 3, 1, 1) for facts in (mean, deviation)]

    def forward(self, x):
        if self.torchvision:
            x = (x - self.imagenet[0]) / self.imagenet[1]
        x = F.relu(self.bn1(self.conv1(x)))
        if self.torchvision:
            x = F.max_pool2d(x, 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))
        return self.fc(x) if self.torchvision else self.linear(x)


class PreActResNet(nn.Module):
    def __init__(self, v2=False):
        super().__init__()
        self.conv1 = conv(3, 64, 3)
        inputs = 64
        for stage in range(4):
            width = 64 * 2**stage
            first = PreActUnit(inputs, width, 2 if stage else 1, v2)
            units = nn.Sequential(first, PreActUnit(width, width, 1, v2))
            setattr(self, f"layer{stage + 1}", units)
            inputs = width
        self.bn = nn.BatchNorm2d(512) if v2 else None
        self.linear = nn.Linear(512, 10)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        x = x if self.bn is None else F.relu(self.bn(x))
        return self.linear(x.mean((2, 3)))


def wong_mnist():
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(32 * 7 * 7, 100), nn.ReLU(), nn.Linear(100, 10)),
    )


NETWORKS = {
    "wong_mnist": (wong_mnist, [2, 28, 28, 1]),
    "robustbench_wrn_16_2": (lambda: WideResNet(16, 2), [2, 16, 16, 3]),
    "robustbench_preact_resnet_18": (PreActResNet, [2, 16, 16, 3]),
    "robustbench_preact_resnet_18_v2": (lambda: PreActResNet(v2=True), [2, 16, 16, 3]),
    "robustbench_resnet_18": (lambda: ResNet(BasicUnit, [2, 2, 2, 2]), [2, 16, 16, 3]),
    "robustbench_resnet_50": (lambda: ResNet(BottleneckUnit, [3, 4, 6, 3]), [2, 16, 16, 3]),
    "torchvision_resnet_18": (lambda: ResNet(BasicUnit, [2, 2, 2, 2], True), [2, 32, 32, 3]),
    "torchvision_resnet_50": (lambda: ResNet(BottleneckUnit, [3, 4, 6, 3], True), [2, 32, 32, 3]),
}


def with_known_weights(network):
    state = network.state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            state[name] = torch.from_numpy(weight(name, tuple(value.shape)))
    network.load_state_dict(state)
    return network.eval()


def main():
    found = {}
    for name, (build, shape) in NETWORKS.items():
        network = with_known_weights(build())
        with torch.no_grad():
            logits = network(torch.from_numpy(images(shape)).permute(0, 3, 1, 2)).numpy()
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        found[name] = {"images": shape, "shapes": shapes, "logits": logits.tolist()}
        print(name, abs(logits).max())
    (FOLDER / "torch_logits.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
