"""The defenses: what is trained on in each step, and which loss."""
