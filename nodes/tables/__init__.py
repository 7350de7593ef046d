"""Tables in and out: Excel and CSV."""
