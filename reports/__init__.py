"""Tables and pages from the files of a run alone: no suite, no model and no torch is needed to read them."""
