"""Commands of `stagesetctl` that need the controller's parts. Each is imported when it is called.

Not the controller's own command line (`reconciler.__main__`).
"""
