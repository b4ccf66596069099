"""What is made once and read often: decoded frames, clips in shards, states of captions."""
