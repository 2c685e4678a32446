"""What the rendered service is compared with: the same four endpoints, on the same server and driver."""
