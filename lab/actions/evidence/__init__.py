"""The way of a packet from the client to a pod, hop by hop: what is so (facts), and what is wrong with it (judge)."""
