"""The engines: each turns a scene into what happens in it."""
