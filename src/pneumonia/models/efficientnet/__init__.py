"""EfficientNetV2-B0."""
