"""The user's own folder of images as a gallery: attacked, searched and served."""
