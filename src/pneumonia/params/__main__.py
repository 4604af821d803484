"""`python -m pneumonia.params`: look at all of params.yaml before any work."""

from pneumonia.errors import exit_on_user_error
from pneumonia.params.load import load_params

if __name__ == "__main__":
    with exit_on_user_error():
        load_params()
