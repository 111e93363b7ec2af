"""Running plans: a plan and a client make rows."""
