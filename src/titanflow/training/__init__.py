"""Teaching models: data, labels, folds, trainers and reports. Nothing that runs a session imports it."""
