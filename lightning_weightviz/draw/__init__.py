"""Drawing: numpy in, uint8 (height, width, 3) out. Colours, a page to put things on, charts, numbers as text."""
