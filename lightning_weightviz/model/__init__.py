"""Which weights there are, what each is, and how it is read: the only room that knows modules and optimizers."""
