"""The edge towards the market: providers give raw rows, the feed turns them into external events or dead letters."""
