"""The analyses of the paper: tables 2 and 3, figures 1, 2, 4 and 5."""
