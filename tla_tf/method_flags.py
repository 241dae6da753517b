"""Which flags a training method does not read."""

from tla_tf.names import METHODS

_PAIRING = {"alp_weight", "alp_clean_weight", "alp_layer", "alp_reduce"}
_ATTACK = {"attack_steps", "attack_step_size", "attack_bn_mode"}
_TRIPLET = {"lambda_triplet", "margin", "lambda_norm", "norm_form", "pool", "pool_mul"} | {
    *("positive", "own_noise", "own_margin_mul", "match_l2", "negative", "neg_keep"),
    *("neg_similarity", "neg_mask", "rn_class_check", "anchor", "concat_forward", "mining"),
}
UNREAD = {method: _PAIRING for method in METHODS} | {
    "um": _ATTACK | _TRIPLET | _PAIRING,
    "at": _TRIPLET | _PAIRING,
    "alp": _TRIPLET,
    "tla_sa": _PAIRING | {"positive"},  # its triplet is of x itself, x' and the negative
}
