"""What one foreign table is."""
