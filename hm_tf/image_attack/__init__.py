"""An attack on the user's own image against the user's own folder."""
