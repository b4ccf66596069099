"""Sources that are no plain folder: shards, tables and data sets, on this machine or wherever fsspec reaches."""
