import numpy as np
import pytest

from hm_tf.ranking_attacks.targeted_mismatch import TargetedMismatch


@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("degrees, cosine", [(43, 0.453990), (30, 0.241922)])
def test_twelve_items(example, degrees, cosine, mode):
    values = example(TargetedMismatch(mode), [10], degrees)
    np.testing.assert_allclose(values, [1 - cosine, cosine], atol=2e-6)
