"""Records of measurements and where they are kept."""
