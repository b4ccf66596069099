"""A cascade on disk and on its way there: weights, formats, the hub, LoRAs, graphs for other runtimes."""
