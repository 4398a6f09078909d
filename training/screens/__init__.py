"""Procedural screens with their full ground truth, and the tasks made of them."""
