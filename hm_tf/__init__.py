"""HM: hardness manipulation, the gradual adversary and intra-class structure for robust deep metric
learning (Zhou and Patel, CVPR 2022)."""
