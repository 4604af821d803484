"""ConvNeXt-Tiny."""
