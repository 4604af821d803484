"""From a folder of chest radiographs to an evaluated, registered pneumonia model."""
