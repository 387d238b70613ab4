"""What the tests of coedit are made of, shipped so that users can test with it too. Needs ``hypothesis``."""
