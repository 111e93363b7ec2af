"""Running the plan of a scan."""
