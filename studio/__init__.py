"""The experiment platform: studies that drive DVC experiments, for any model that has an adapter.

Nothing here knows what a model does; what must be known is asked of its adapter.
"""
