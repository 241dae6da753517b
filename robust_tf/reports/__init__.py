"""Tables and figures, rendered from stored results only."""
