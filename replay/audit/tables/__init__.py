"""A tape as tables: which there are, how their columns are made of its records, SQL over them, and files of them."""
