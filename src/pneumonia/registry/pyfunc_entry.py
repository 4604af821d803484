"""What MLflow runs to load a logged model: code and not a pickle, which could run anything and ages with Python."""

from mlflow.models import set_model

from pneumonia.registry.pyfunc_model import RadiographModel

set_model(RadiographModel())
