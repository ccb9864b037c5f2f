"""A day of trading as a Gymnasium environment: recorded bars, our own risk and our own paper market."""
