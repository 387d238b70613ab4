"""What applications are to be told, from where it happens to where it was delivered: streams of each shard.

::

    whoever does it ─▶ happened:{s} ─▶ deliveries:{s}:NAME ─▶ the endpoint NAME
                                          ▲        │
                                 send again         └──▶ failed:{s}, after the last attempt
"""
