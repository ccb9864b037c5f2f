"""From events to rows: pure folds, one module for each group of tables."""
