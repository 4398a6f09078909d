"""Pages rendered by a real Chromium for training; none of their kits, pages or wording are the evaluation set's."""
