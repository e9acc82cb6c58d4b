"""What each user has not read yet: counted from the rows, kept up as events go by, and told."""
