"""Networks in torch, and how one becomes an ONNX file. What they are taught, and how, is `training.trainers`."""
