"""The nine attacks on a ranking of which the robustness score is made (HM, section 4)."""

# Free of TensorFlow, for --help; see `RankingAttack`.
ATTACK_MODES = ("compat", "fixed")
# Names the ensemble of `retrieval_standard`, in --attacks and as strength in records.
STANDARD = "standard"
