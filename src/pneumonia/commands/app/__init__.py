"""A page in the browser where one drops a film and sees what the registered model says of it."""
