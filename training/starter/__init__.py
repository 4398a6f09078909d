"""The starter model: its data, its network and its training."""
