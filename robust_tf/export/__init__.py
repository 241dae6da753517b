"""Artefacts for serving: endpoints with a guard, sidecar, model card, verification."""
