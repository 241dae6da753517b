"""The defenses of the HM paper: the adversarial images of a step, and the loss on them."""
