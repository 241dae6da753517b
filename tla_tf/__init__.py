"""TLA: metric learning for adversarial robustness (Mao et al., NeurIPS 2019)."""
