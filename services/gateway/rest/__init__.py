"""The door for requests over plain HTTP: documents, their past, other formats, and the page."""
