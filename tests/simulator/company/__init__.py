"""A made-up company: records that look like those of a real account, the same for the same seed."""
