"""What is run for the product, and not imported by it."""
