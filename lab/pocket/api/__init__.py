"""What a Kubernetes API does to objects, as pure functions over decoded JSON: patch, merge, default, validate, own, print.

Nothing here reads a socket, a clock or a disk (the generated tables of `schema` and `protobuf` aside): the API
server calls these functions, and they can be tested and read one by one.
"""
