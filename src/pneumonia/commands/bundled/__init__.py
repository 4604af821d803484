"""What runs in a bundle (see `commands.bundle`): no Keras, no MLflow, and no registry."""
