"""Data sets, augmentation and the one input pipeline."""
