"""An output of a network as a function of images."""


def output_of(network, name):
    """Returns the function from images to the output `name` of a network, in inference mode."""
    return lambda images: network(images, training=False)[name]
