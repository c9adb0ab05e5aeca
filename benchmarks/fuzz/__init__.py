"""Random graphs against the answers of ONNX Runtime."""
