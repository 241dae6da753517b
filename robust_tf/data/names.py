"""The data sets' names; free of TensorFlow, so that --help answers at once."""

DATASETS = (
    *("digits", "mnist", "cifar10", "tiny_imagenet", "fashion_mnist"),
    *("cub200", "cars196", "sop", "folder"),
)
