"""Ways to change a method of moto."""

from functools import wraps
from inspect import signature


def replacing(cls: type, name: str):
    """Decorates the replacement, which gets the original first."""

    def decorate(function):
        original = getattr(cls, name)

        @wraps(original)
        def replacement(*args, **kwargs):
            return function(original, *args, **kwargs)

        setattr(cls, name, replacement)
        return function

    return decorate


def before(cls: type, name: str):
    """Decorates a check of a call, which is made before moto answers it. It gets the arguments by their names: moto gives some by their places."""

    def decorate(check):
        @replacing(cls, name)
        def checked(original, *args, **kwargs):
            check(**signature(original).bind(*args, **kwargs).arguments)
            return original(*args, **kwargs)

        return check

    return decorate
