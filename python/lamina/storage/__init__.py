"""The format of model files, whatever kind of network is in them."""
