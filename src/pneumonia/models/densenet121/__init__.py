"""DenseNet-121."""
