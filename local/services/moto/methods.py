"""One way to replace a method of moto."""

from functools import wraps


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
