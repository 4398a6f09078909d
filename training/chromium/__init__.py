"""The evaluation set that Chromium renders; kept apart from all training."""
