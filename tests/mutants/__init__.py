"""Small violations of the factors, as real projects have them, each with the check of the render that catches it."""
