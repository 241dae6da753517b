"""Loss terms as pure functions of tensors; each returns one value per item, [batch]."""
