"""One HTML page that holds a whole run: what it is made of, how it is kept, and how it is written."""
