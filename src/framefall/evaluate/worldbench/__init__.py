"""The world benchmark: does a model obey physics where every answer is known?"""
