"""What a person keeps of a run: tables, a summary and a page to look at."""
