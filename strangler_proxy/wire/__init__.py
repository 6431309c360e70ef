"""HTTP/1.1 as bytes: read strictly, framed, told to the other side."""
