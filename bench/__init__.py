"""The rendered service beside what it is compared with: `make bench`."""
