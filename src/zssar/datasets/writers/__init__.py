"""Writers of raw formats, the counterparts of the readers, so that every route can be run without a real data set."""
