"""Networks from other libraries, and networks for them: PyTorch, Keras, scikit-learn."""
