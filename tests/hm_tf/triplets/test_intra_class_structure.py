import numpy as np
import pytest

from hm_tf.triplets.intra_class_structure import (
    ICS_TRIPLETS,
    clean_roles,
    intra_class_structure,
)


def point(degrees):
    return np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])


@pytest.mark.parametrize(
    "adversarial, positive, margin, expected",
    [(25, 10, 0.0, 0.258568), (10, 25, 0.0, 0.0), (25, 10, 0.2, 0.458568), (10, 25, 0.2, 0.0)],
)
def test_values(adversarial, positive, margin, expected):
    clean = {"a": point(0), "p": point(positive)}
    found = intra_class_structure(clean, {"a": point(adversarial)}, margin)
    np.testing.assert_allclose(found, [expected], atol=5e-6)


# d(x, y) = 2 sin(|x - y| / 2) of a, p, n = 0, 20, 60 and a~, p~, n~ = 10, 50, 30 degrees.
EXPECTED = {
    "a,a~,p": (10, 20, "ap"),
    "a,a~,p~": (10, 50, "a"),
    "a,p,n": (20, 60, "apn"),
    "p,p~,a": (30, 20, "ap"),
    "a,a~,n~": (10, 30, "a"),
    "a,p,n~": (20, 30, "ap"),
}


@pytest.mark.parametrize("triplet", ICS_TRIPLETS)
def test_triplets_of_the_sextuplet(triplet):
    near, far, roles = EXPECTED[triplet]
    angles = zip("apn", (0, 20, 60)), zip("apn", (10, 50, 30))
    clean, adversarial = ({role: point(angle) for role, angle in found} for found in angles)
    found = intra_class_structure({r: clean[r] for r in roles}, adversarial, 1.0, triplet)
    chord = lambda angle: 2 * np.sin(np.radians(angle / 2))
    np.testing.assert_allclose(found, [chord(near) - chord(far) + 1], atol=5e-6)
    assert clean_roles(triplet) == roles
