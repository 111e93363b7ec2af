"""One foreign table: its binding to the catalogue, the rows it makes, its estimates for the planner."""
