"""The uses of a model beside the same clips of a model that was not told what is known."""
