"""What scans and writes of one account share in a backend."""
