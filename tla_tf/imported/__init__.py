"""Networks that others have trained, as run folders of this package."""
