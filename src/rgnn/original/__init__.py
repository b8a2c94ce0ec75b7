"""The authors' own networks, evaluated from their weights, to compare with."""
