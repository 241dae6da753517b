"""ImageNet weights for the ResNets of metric learning."""
