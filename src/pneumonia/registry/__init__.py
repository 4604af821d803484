"""What MLflow keeps: runs, their comparison, the versions of a model."""
