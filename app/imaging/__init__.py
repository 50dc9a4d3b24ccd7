"""Pure functions on bytes and arrays: no Flask, no onnxruntime, no environment."""
