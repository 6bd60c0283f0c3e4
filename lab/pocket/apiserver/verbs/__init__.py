"""What can be done with a resource: one verb a function, `async def verb(call) -> response`.

reading.py   get, list
watching.py  watch
creating.py  create
updating.py  update; and how any new state of an object is stored
patching.py  patch
deleting.py  delete, deletecollection
"""
