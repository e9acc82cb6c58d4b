"""What is said to clients: which events exist, how they look, to whom they go, how they leave."""
