"""Any shop's products from CSV: checked row by row, loaded in batches, resumable, idempotent."""
