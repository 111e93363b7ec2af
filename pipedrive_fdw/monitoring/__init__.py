"""What an administrator can see of the work of all sessions: progress, use, writes."""
