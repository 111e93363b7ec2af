"""Pure planning: quals to predicates, predicates to plans, plans to text."""
