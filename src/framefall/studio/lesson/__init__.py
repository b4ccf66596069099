"""The lesson: examples that the library makes, the numbers that the page shows, and the page as a static site."""
