"""The exchange with the database server: questions, answers, settings, statements. Main thread only."""
