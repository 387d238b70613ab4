"""What an operator does about a damaged document: look at all that is stored of it, and put it right.

`examine` reads, `diagnosis` judges (pure), `repair` writes, `report` says it in words, `command` is ``coedit doctor``.
"""
