import numpy as np
import pytest

from hm_tf.triplets.intra_class_structure import intra_class_structure


def point(degrees):
    return np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])


@pytest.mark.parametrize(
    "adversarial, positive, margin, expected",
    [(25, 10, 0.0, 0.258568), (10, 25, 0.0, 0.0), (25, 10, 0.2, 0.458568), (10, 25, 0.2, 0.0)],
)
def test_values(adversarial, positive, margin, expected):
    found = intra_class_structure(point(0), point(adversarial), point(positive), margin)
    np.testing.assert_allclose(found, [expected], atol=5e-6)
