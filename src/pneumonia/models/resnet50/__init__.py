"""ResNet-50."""
