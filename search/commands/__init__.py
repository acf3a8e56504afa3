"""`nasnet search` and `nasnet retrain`."""
