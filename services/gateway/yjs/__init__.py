"""The door for Yjs clients: y-websocket and Hocuspocus."""
