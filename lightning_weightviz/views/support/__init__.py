"""What views share. No file in here is a view."""
