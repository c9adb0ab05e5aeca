"""The job service when things break, are slow, or are many: faults, load, malformed requests."""
