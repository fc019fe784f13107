"""What the rules share: what they are told, what they tell, and the engine that applies them."""
