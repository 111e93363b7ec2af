"""What the scans and writes of one account share in a backend: client, memory, field definitions, counts."""
