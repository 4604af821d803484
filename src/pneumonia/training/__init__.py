"""A network learns: batches, augmentation, fitting, resuming."""
