"""What a robustness number must pass."""
