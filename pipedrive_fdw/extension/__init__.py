"""What the SQL side of the extension asks."""
