"""TitanFlow: an AI day-trading arena whose every decision can be replayed and proven."""

__version__ = "0.1.0"
