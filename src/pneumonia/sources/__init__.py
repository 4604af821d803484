"""Where films come from: a folder for each data set, which fills data/raw."""
