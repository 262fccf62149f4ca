"""The actions: one module for each verb, from an intended action to its answer.

Not when and whether an action is due (the core decides). Invariant: an action that may have been performed before is
looked for first; what cannot be known is answered as indeterminate.
"""
