"""Who has a document open and where their carets are, as pure values; the clock is an argument."""
