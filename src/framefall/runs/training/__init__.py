"""Models made: trained, distilled, exported, and what is looked at before hours are spent."""
