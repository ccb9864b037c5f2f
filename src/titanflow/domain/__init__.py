"""The vocabulary: events, value types, the decider contract and the books. Imports nothing that touches the outside."""
