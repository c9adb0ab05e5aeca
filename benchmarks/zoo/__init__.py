"""Many networks and forests of many frameworks: each compiles and gives its framework's answers."""
