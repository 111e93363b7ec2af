"""What the database server says to this package and is told by it. Main thread only."""
