"""Reading a text: what is reasoning, what length a prompt asks for, how a story is dressed, what two texts share."""
